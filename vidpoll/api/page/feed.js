/** Keeps what is known of the generations up to date: by events, and by asking for what events do not tell. */

import { isApiPath, isListed, Known } from "./known.js";
import { isReady } from "./service.js";
import { isFinal } from "./words.js";

const PAGE = 50;
/** Unlisted generations that are asked for one by one; of more, the newest page is listed instead. */
const MOST_ASKED = 5;
/** Milliseconds for which questions are collected; after many; after one that failed. */
const COLLECT_MS = 300;
const AFTER_MANY_MS = 2000;
const AFTER_FAILURE_MS = 5000;
/** Milliseconds between two questions for ETAs that have become old, and the most that are asked for at once. */
const ETAS_MS = 5000;
const MOST_ETAS = 200;

export class Feed {
  /** Of which status pages are; all if empty. */
  status = "";
  #api;
  #told;
  #watch = null;
  #known = new Known();
  #unlisted = new Set();
  #withoutEta = new Set();
  #etasAskedAt = 0;
  #mustList = false;
  #timer = null;
  #isReachable = true;
  #stopped = false;

  /**
   * @param {import("./vidpoll.js").Vidpoll} api
   * @param {{changed: Function, ended: Function, stirred: Function, refused: Function}} told `changed` with every generation that did;
   *   `ended` with one that became final; `stirred` with the project of one that changed; `refused` with an error that ended the feed
   */
  constructor(api, told) {
    this.#api = api;
    this.#told = told;
  }

  start() {
    this.#watch = this.#api.watchAll({
      onUpdate: (generation) => this.#take(generation),
      onReady: (resumed) => resumed || this.#ask({ list: true }),
      onError: (error) => this.#failed(error),
    });
  }

  stop() {
    this.#stopped = true;
    this.#watch?.cancel();
    clearTimeout(this.#timer);
  }

  /** "live", "polling", "connecting", "offline" or "ended". */
  get mode() {
    const mode = this.#watch?.mode;
    if (mode === "ended") return "ended";
    if (!navigator.onLine) return "offline";
    if (mode === "events") return "live";
    return this.#isReachable ? mode : "offline";
  }

  /** While no events come in: see whether it is for want of the service. */
  async probe() {
    if (this.#watch?.mode !== "events") this.#isReachable = await isReady();
  }

  /** Once a second: have ETAs that are old told anew. They count down by themselves, but what is slow takes longer. */
  renewEtas() {
    if (document.hidden || Date.now() - this.#etasAskedAt < ETAS_MS) return;
    const etas = this.#known.idsOfOldEtas().slice(0, MOST_ETAS);
    if (!etas.length) return;
    this.#etasAskedAt = Date.now();
    this.#ask({ etas });
  }

  /** A page of the list. */
  async page(cursor) {
    const { items, next } = await this.#list(cursor);
    return { generations: items.map((item) => this.#known.learn(item).after), next };
  }

  /** Ask for one that was just made or acted upon. */
  look(id) {
    this.#ask({ ids: [id] });
  }

  #take(fresh) {
    if (this.#stopped) return; // an answer that was under way
    const { before, after } = this.#known.learn(fresh);
    const moved = before?.status !== after.status;
    if (isListed(after)) this.#told.changed(after);
    if (after.project_id) this.#told.stirred(after.project_id);
    if (moved && (!isListed(after) || isApiPath(after.video_url))) this.#ask({ ids: [after.id] });
    else if (moved && after.status === "processing" && !after.eta) this.#ask({ etas: [after.id] });
    const isNews = before ?? (fresh.kind && fresh.kind !== "snapshot");
    if (moved && isNews && isFinal(after.status)) this.#told.ended(after);
  }

  #failed(error) {
    if (this.#stopped) return;
    if (!error.retryable) this.#told.refused(error);
    else this.probe();
  }

  #ask({ ids = [], etas = [], list = false }, inMs = COLLECT_MS) {
    for (const id of ids) this.#unlisted.add(id);
    for (const id of etas) this.#withoutEta.add(id);
    this.#mustList ||= list;
    if (!this.#stopped) this.#timer ??= setTimeout(() => this.#answer(), inMs);
  }

  async #answer() {
    const asked = { ids: [...this.#unlisted], etas: [...this.#withoutEta], list: this.#mustList };
    this.#unlisted.clear();
    this.#withoutEta.clear();
    this.#mustList = false;
    let again = {};
    let inMs = asked.ids.length > MOST_ASKED ? AFTER_MANY_MS : COLLECT_MS;
    try {
      await this.#fetch(asked);
    } catch (error) {
      this.#failed(error);
      if (error.retryable) again = asked;
      inMs = Math.max(AFTER_FAILURE_MS, (error.retryAfter ?? 0) * 1000);
    }
    this.#timer = null;
    if (again.ids || this.#unlisted.size || this.#withoutEta.size || this.#mustList) this.#ask(again, inMs);
  }

  async #fetch({ ids, etas, list }) {
    const stale = new Set(list ? [...this.#known.openIds(), ...etas] : etas);
    if (list || ids.length > MOST_ASKED) {
      const { items } = await this.#list();
      for (const item of items) this.#take(item);
    } else {
      for (const id of ids) await this.#fetchOne(id);
    }
    if (stale.size) for (const one of await this.#api.statusOf([...stale])) this.#take(one);
  }

  async #fetchOne(id) {
    try {
      this.#take(await this.#api.get(id));
    } catch (error) {
      if (error.code !== "not_found") throw error;
    }
  }

  #list(cursor) {
    return this.#api.list({ status: this.status || undefined, cursor, limit: PAGE });
  }
}
