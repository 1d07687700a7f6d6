/** What the page says of projects and their steps. */

import { stageWords, statusWord } from "./words.js";

/** Steps that are named, of those another one waits for. */
const MOST_NAMED = 3;

/** "7 of 16 steps, 1 failed" */
export function countWords({ completed, total, failed, cancelled, skipped }) {
  const broken = Object.entries({ failed, cancelled, skipped }).filter(([, count]) => count);
  return [`${completed} of ${total} steps`, ...broken.map(([name, count]) => `${count} ${name}`)].join(", ");
}

export const titleOf = ({ title, key }) => title || key;

/** What happens with a step at the moment, or why nothing does. */
export function stepWords(step, project) {
  switch (step.status) {
    case "waiting":
      return waitingWords(step, project);
    case "skipped":
      return statusWord(step.stage ?? "");
    default:
      return stageWords(step);
  }
}

function waitingWords({ after }, { status, steps }) {
  if (status !== "running") return "Was not started";
  const wanted = new Set(after);
  const missing = steps.filter(({ key, status: how }) => wanted.has(key) && how !== "completed").map(({ key }) => key);
  if (!missing.length) return "Waits for its turn";
  const [named, rest] = [missing.slice(0, MOST_NAMED), missing.length - MOST_NAMED];
  return `Waits for ${named.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}
