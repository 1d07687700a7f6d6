/** Whether the service can serve, and what time it is there. */

let offset = 0;

/** The service's time in milliseconds; this computer's until it is known. */
export const now = () => Date.now() + offset;

/** Ask the service whether it can be reached and can serve. */
export async function isReady() {
  try {
    const reply = await fetch("/readyz", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    const there = Date.parse(reply.headers.get("Date"));
    if (!Number.isNaN(there)) offset = there + 500 - Date.now(); // the header has whole seconds
    return reply.ok;
  } catch {
    return false;
  }
}
