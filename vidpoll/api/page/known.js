/** What is known of each generation, put together from lists, status answers and events. */

import { now } from "./service.js";
import { isFinal } from "./words.js";

/** Milliseconds for which an ETA is not old. */
const YOUNG_MS = 5000;

export class Known {
  #all = new Map();

  /** Take in what came; how the generation was known before (undefined if it was not) and is known now. */
  learn(fresh) {
    const before = this.#all.get(fresh.id);
    const after = before?.version > fresh.version ? withOlder(before, fresh) : withNewer(before, fresh);
    this.#all.set(after.id, after);
    return { before, after };
  }

  /** Ids of those at the provider whose ETA is so old that counting it down is no longer good enough. */
  idsOfOldEtas() {
    const isOld = ({ at, p50 }) => now() - at > Math.max(YOUNG_MS, (p50 * 1000) / 4);
    const hasOld = (one) => isListed(one) && one.status === "processing" && one.eta && isOld(one.eta);
    return [...this.#all.values()].filter(hasOld).map((one) => one.id);
  }

  /** Ids of those that are fully known and not final. */
  openIds() {
    return [...this.#all.values()].filter((one) => isListed(one) && !isFinal(one.status)).map((one) => one.id);
  }
}

/** Whether it is known in full, not only from events. */
export const isListed = (generation) => generation.created_at !== undefined;

/** Whether the result's address is one of the API's, which a browser cannot open without the key. */
export const isApiPath = (url) => url?.startsWith("/") ?? false;

/** A late answer adds what events do not tell: prompt, model, times. */
function withOlder(before, fresh) {
  return isListed(before) || !isListed(fresh) ? before : { ...trimmed(fresh), ...before };
}

function withNewer(before, fresh) {
  const after = { ...before, ...trimmed(fresh) };
  if (isApiPath(fresh.video_url) && before?.video_url) after.video_url = before.video_url;
  if (before?.status !== after.status && !fresh.stage) delete after.stage;
  if (!(fresh.eta_s > 0)) delete after.eta; // an ETA is of the moment it was told
  if (fresh.kind?.startsWith("cancel_")) after.cancelAsked = true;
  if (isFinal(after.status)) after.completed_at ??= fresh.at ?? new Date(now()).toISOString();
  return after;
}

/**
 * Without what is empty or large, and with the page's own fields `eta`, `cancelAsked`, `late`, `seed`, `content_type` and
 * `generation_kind`.
 */
function trimmed({ result, ...fresh }) {
  const told = Object.fromEntries(Object.entries(fresh).filter(([, value]) => value !== null && value !== undefined));
  if (fresh.eta_s > 0) told.eta = etaOf(fresh);
  if (fresh.cancel_requested_at) told.cancelAsked = true;
  if (/^https?:/.test(fresh.archived_url ?? "")) told.video_url = fresh.archived_url; // it stays when the provider's is gone
  if (result?.late) told.late = true;
  if (result?.seed !== undefined) told.seed = result.seed;
  if (result?.content_type) told.content_type = result.content_type;
  if (isListed(fresh)) told.generation_kind = fresh.kind;
  return told;
}

/** Seconds for half and for nine tenths, and how long it had run, all at the moment `at`: an event's own, else now. */
function etaOf({ eta_s: p50, eta_p90_s: p90 = p50, elapsed_s: elapsed = 0, kind, at }) {
  return { p50, p90, elapsed, at: kind && kind !== "snapshot" && at ? Date.parse(at) : now() };
}
