/** What the page says: statuses, stages, durations and errors in words. */

export const STATUSES = ["pending", "submitting", "processing", "unknown", "completed", "failed", "cancelled"];
const FINAL = new Set(["completed", "failed", "cancelled"]);

/** Seconds after which a provider that tells progress has told some. */
const TELLING_S = 5;

export const isFinal = (status) => FINAL.has(status);

export const statusWord = (status) => beginning(status);

/** What happens in a status; of one at the provider, the provider's words tell. */
const STAGES = {
  pending: "Waits to be submitted",
  submitting: "Being submitted to the provider",
  unknown: "The provider did not answer the submit; it is looked up there, not sent again",
};

/** What happens with a generation at the moment. */
export function stageWords(generation) {
  const { status, stage, cancelAsked, overdue, late } = generation;
  if (isFinal(status)) return status === "completed" && late ? "It came after its time-out" : "";
  const atProvider = stage && stage !== "processing" ? stage : "the provider is making it";
  const words = STAGES[status] ? [STAGES[status], stage] : [beginning(atProvider)];
  if (cancelAsked) words.push("a cancel was asked for");
  if (overdue) words.push("takes longer than usual");
  return words.filter(Boolean).join(" · ");
}

/** Seconds as 0:05, 12:34 or 1:02:03. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 60) % 60, whole % 60];
  const hours = Math.floor(whole / 3600);
  const text = `${parts[0]}:${String(parts[1]).padStart(2, "0")}`;
  return hours ? `${hours}:${text.padStart(5, "0")}` : text;
}

/** A moment in the reader's own time zone. */
export const dateWords = (moment) => new Date(moment).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

/** How long it has taken, and how long it is likely to take from now on. */
export function timeWords(generation, now) {
  const begun = Date.parse(generation.created_at);
  if (Number.isNaN(begun)) return "";
  if (isFinal(generation.status)) {
    const ended = Date.parse(generation.completed_at);
    return Number.isNaN(ended) ? "" : `took ${duration((ended - begun) / 1000)}`;
  }
  return [`${duration((now - begun) / 1000)} so far`, etaWords(generation, now)].filter(Boolean).join(" · ");
}

/** The time by which half and nine tenths of its like are done: "about 40 s left, at most 2 min for 9 of 10". */
export function etaWords({ status, eta }, now) {
  if (!eta || !["pending", "submitting", "processing"].includes(status)) return "";
  const passed = status === "processing" ? (now - eta.at) / 1000 : 0;
  if (passed >= eta.p90) return "";
  const [half, most] = [roughly(eta.p50 - passed), roughly(eta.p90 - passed)];
  if (passed >= eta.p50) return `at most ${most} left for 9 of 10`;
  const words = status === "processing" ? `about ${half} left` : `about ${half} once submitted`;
  return half === most ? words : `${words}, at most ${most} for 9 of 10`;
}

/** Seconds in steps so coarse that a guess does not look like a measurement: 5 s, 85 s, 2 min, 1.5 h. */
export function roughly(seconds) {
  if (seconds <= 90) return quantity(Math.max(1, Math.ceil(seconds / 5)) * 5, "s");
  return seconds <= 5400 ? quantity(Math.ceil(seconds / 60), "min") : quantity((seconds / 3600).toFixed(1), "h");
}

/** With a space at which no line is broken. */
const quantity = (number, unit) => `${number}\u00a0${unit}`;

/**
 * Percent by the ETA, of one at the provider that tells no progress: the part that has passed of the time half of its like take;
 * null when there is nothing to go by.
 */
export function estimatedProgress({ status, progress, eta }, now) {
  if (status !== "processing" || progress > 0 || !eta) return null;
  const passed = (now - eta.at) / 1000;
  const elapsed = eta.elapsed + passed;
  if (elapsed < TELLING_S) return null; // the first looks may still bring the provider's own
  return Math.min(95, Math.round((100 * elapsed) / (elapsed + Math.max(1, eta.p50 - passed))));
}

export function excerpt(text, length) {
  const line = text.replace(/\s+/g, " ").trim();
  if (line.length <= length) return line;
  const characters = Array.from(line.slice(0, 2 * length)); // not in the middle of an emoji
  return `${characters.slice(0, length - 1).join("").trimEnd()}…`;
}

/** Why a generation failed; "failed" is the code of a provider that gives none. */
export const failureWords = ({ code, message }) => (code === "failed" ? beginning(message) : `${code}: ${message}`);

/** An error of the API, one sentence for each thing wrong. */
export function sentences(error) {
  if (error.errors?.length) return error.errors;
  const later = error.retryAfter ? ` Try again in ${Math.ceil(error.retryAfter)} s.` : " Try again in a moment.";
  switch (error.code) {
    case "network":
      return ["The service cannot be reached. Trying again is safe: the same request is never paid twice."];
    case "unauthorized":
      return ["This key is not known here, or it was revoked."];
    case "rate_limited":
      return [`Too many requests.${later}`];
    case "unavailable":
      return [`The service cannot do this at the moment.${later}`];
    default:
      return [asSentence(error.message || String(error))];
  }
}

const beginning = (text) => text.charAt(0).toUpperCase() + text.slice(1);

const asSentence = (text) => beginning(text) + (/[.!?]$/.test(text) ? "" : ".");
