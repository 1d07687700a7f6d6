/** Whether the service can serve, what time it is there, and what a key allows. */

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

/** What a key allows: "read", "write", …; null if that cannot be learned. */
export async function scopesOf(apiKey) {
  try {
    const headers = { Authorization: `Bearer ${apiKey}` };
    const reply = await fetch("/v1/key", { headers, cache: "no-store", signal: AbortSignal.timeout(5000) });
    return reply.ok ? (await reply.json()).scopes : null;
  } catch {
    return null;
  }
}
