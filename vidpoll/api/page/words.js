/** What the page says: statuses, stages, durations and errors in words. */

export const STATUSES = ["pending", "submitting", "processing", "unknown", "completed", "failed", "cancelled"];
const FINAL = new Set(["completed", "failed", "cancelled"]);

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

/** How long it has taken, and how long it is expected to take from now on. */
export function timeWords(generation, now) {
  const begun = Date.parse(generation.created_at);
  if (Number.isNaN(begun)) return "";
  if (isFinal(generation.status)) {
    const ended = Date.parse(generation.completed_at);
    return Number.isNaN(ended) ? "" : `took ${duration((ended - begun) / 1000)}`;
  }
  const words = [`${duration((now - begun) / 1000)} so far`];
  const left = (generation.expectedAt - now) / 1000;
  if (left > 0 && !generation.overdue) words.push(`about ${duration(left)} left`);
  return words.join(" · ");
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
