/** Client of vidpoll's HTTP side, for browsers and Node ≥ 20. Its interface is in vidpoll.d.ts, the wire in docs/http.md. */

/** @typedef {import("./vidpoll.js").Clock} Clock @typedef {import("./vidpoll.js").Generation} Generation */
/** @typedef {import("./vidpoll.js").Options} Options @typedef {import("./vidpoll.js").Watch} Watch */
/** @typedef {import("./vidpoll.js").Watcher} Watcher @typedef {import("./vidpoll.js").NewGeneration} NewGeneration */
/** @typedef {import("./vidpoll.js").Project} Project @typedef {import("./vidpoll.js").NewProject} NewProject */
/** @typedef {import("./vidpoll.js").Vidpoll} Interface @typedef {import("./vidpoll.js").VidpollError} ErrorInterface */
/** @typedef {Parameters<Interface["watchAll"]>[0]} AllWatcher */
/** @typedef {Parameters<Interface["watchProject"]>[1]} ProjectWatcher */
/** @typedef {Parameters<Interface["followProject"]>[1]} ProjectFollower */
/** @typedef {{type: string, id: string, data: string}} StreamEvent */
/** @typedef {{method?: string, headers?: Record<string, string | undefined>, json?: unknown, signal?: AbortSignal}} Asked */

const FINAL = new Set(["completed", "failed", "cancelled"]);
/** Answers that end a watch: the same question would be answered the same. */
const REFUSALS = new Set([401, 403, 404, 422]);
/** What a submit or retry is repeated after: no answer, too many requests, a server that is away. */
const REPEATED = new Set([0, 429, 502, 503, 504]);
const REPEAT_MS = [1000, 2000, 5000];
const REQUEST_MS = 30_000;
const STATUS_POLL_MS = [1000, 2000, 5000, 10_000];
const LIST_POLL_MS = [1000, 10_000];
const PROJECT_POLL_MS = [1000, 2000, 5000];
/** Events of a project for which its document is asked for once. */
const COLLECT_MS = 300;
const MOST_RETRY_AFTER_S = 60;
/** A stream without a byte for so long is broken; a heartbeat is due every 15 seconds. */
const SILENCE_MS = 45_000;
/** A stream without a first byte for so long may be held back by a proxy: polling begins beside it. */
const FIRST_BYTE_MS = 3000;
/** A stream that still gives bytes after so long has recovered; one that breaks earlier has not. */
const STEADY_MS = 10_000;
const RECONNECT_MS = { first: 5000, least: 1000, most: 60_000 };
/** Waits are longer by up to this part, so that many clients do not come back in the same instant. */
const JITTER = 0.1;
const DAY_MS = 86_400_000;
const MOST_TIMER_MS = 2 ** 31 - 1;
const IDS_PER_REQUEST = 200;
const PAGE = 100;
/** Generations that a watch of everything remembers the versions of. */
const MOST_KNOWN = 10_000;
/** @type {Clock} */
const SYSTEM_CLOCK = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** @implements {Interface} */
export class Vidpoll {
  #http;
  /** By path. @type {Map<string, SharedWatch<any>>} */
  #watched = new Map();

  /** @param {Options} options */
  constructor(options) {
    this.#http = new Http(options);
  }

  /** @param {NewGeneration} request */
  async submit(request, { idempotencyKey = randomKey() } = {}) {
    return this.#post("/v1/generations", { headers: { "Idempotency-Key": idempotencyKey }, json: request });
  }

  /** Only for what makes no second generation when it is repeated. @param {string} path @param {Asked} [asked] */
  async #post(path, asked) {
    for (let repeats = 0; ; repeats++) {
      try {
        return (await this.#http.ask(path, { ...asked, method: "POST" })).body;
      } catch (error) {
        const mayRepeat = error instanceof VidpollError && REPEATED.has(error.status);
        if (!mayRepeat || repeats === REPEAT_MS.length) throw error;
        await sleep(this.#http.clock, atLeast(REPEAT_MS[repeats], error.retryAfter));
      }
    }
  }

  /** @param {string} id */
  async get(id) {
    return (await this.#http.ask(pathOf(id))).body;
  }

  /** @param {string[]} ids */
  async statusOf(ids) {
    /** @type {Generation[]} */
    const found = [];
    for (let start = 0; start < ids.length; start += IDS_PER_REQUEST) {
      const query = queryOf({ ids: ids.slice(start, start + IDS_PER_REQUEST).join(",") });
      found.push(...(await this.#http.ask(`/v1/generations/status${query}`)).body.generations);
    }
    return found;
  }

  /** @param {{status?: string, project?: string, cursor?: string, limit?: number}} options */
  async list({ status, project, cursor, limit } = {}) {
    return (await this.#http.ask(`/v1/generations${queryOf({ status, project, cursor, limit })}`)).body;
  }

  /** @param {string} id */
  async refresh(id) {
    await this.#http.ask(`${pathOf(id)}/refresh`, { method: "POST" });
  }

  /** @param {string} id */
  async cancel(id) {
    await this.#http.ask(`${pathOf(id)}/cancel`, { method: "POST" });
  }

  /** @param {string} id */
  async retry(id) {
    return this.#post(`${pathOf(id)}/retry`);
  }

  /** @param {string} id @param {Watcher} watcher */
  watch(id, watcher) {
    return this.#shared(pathOf(id), (...given) => new GenerationWatch(...given)).join(watcher);
  }

  /**
   * The watch of what has this path: the one there is, or a new one.
   * @param {string} path @param {(http: Http, path: string, onEnd: () => void) => SharedWatch<any>} start
   */
  #shared(path, start) {
    const known = this.#watched.get(path);
    if (known) return known;
    const watched = start(this.#http, path, () => {
      if (this.#watched.get(path) === watched) this.#watched.delete(path);
    });
    this.#watched.set(path, watched);
    return watched;
  }

  /** @param {AllWatcher} watcher */
  watchAll(watcher) {
    return new OwnerFeed(this.#http, watcher.project).start(watcher, watcher.timeoutMs ?? Infinity);
  }

  /** @param {string} project @param {ProjectWatcher} watcher */
  watchProject(project, watcher) {
    return new ProjectFeed(this.#http, project).start(watcher, watcher.timeoutMs ?? DAY_MS);
  }

  /** @param {NewProject} project @param {{idempotencyKey?: string}} options */
  async submitProject(project, { idempotencyKey } = {}) {
    return this.#post("/v1/projects", { headers: { "Idempotency-Key": idempotencyKey }, json: project });
  }

  /** @param {string} id */
  async project(id) {
    return (await this.#http.ask(projectPathOf(id))).body;
  }

  /** @param {{cursor?: string, limit?: number}} options */
  async listProjects({ cursor, limit } = {}) {
    return (await this.#http.ask(`/v1/projects${queryOf({ cursor, limit })}`)).body;
  }

  /** Asked once: what fails again soon would be paid again. @param {string} id */
  async retryProject(id) {
    return (await this.#http.ask(`${projectPathOf(id)}/retry`, { method: "POST" })).body;
  }

  /** @param {string} id */
  async cancelProject(id) {
    return (await this.#http.ask(`${projectPathOf(id)}/cancel`, { method: "POST" })).body;
  }

  /** @param {string} id @param {ProjectFollower} watcher */
  followProject(id, watcher) {
    return this.#shared(projectPathOf(id), (...given) => new ProjectWatch(...given)).join(watcher);
  }
}

// -- what is watched --------------------------------------------------------------------------------------------------

/** What a connection follows, and those who are told of it. */
class Source {
  /** Milliseconds before the first poll, the second, …; the last is repeated. */
  pollMs = STATUS_POLL_MS;
  /** Whether something is missing that only a poll tells. */
  mustPoll = false;
  /** Whether it polls when the client has its fill of streams. */
  mayGoWithoutStream = false;
  /** @type {Set<Subscription>} */
  subscriptions = new Set();

  /** @param {Http} http @param {string} eventsPath */
  constructor(http, eventsPath) {
    this.http = http;
    this.eventsPath = eventsPath;
    this.connection = new Connection(http, this);
  }

  /** @returns {string | undefined} */
  get lastEventId() {
    return undefined;
  }

  /** @param {StreamEvent} event */
  onEvent(event) {}

  /** Asks once; the server's Retry-After. @param {AbortSignal} signal @returns {Promise<number | undefined>} */
  async poll(signal) {
    return undefined;
  }

  /** @param {object} watcher @param {number} timeoutMs */
  subscribe(watcher, timeoutMs) {
    const subscription = new Subscription(this.http.clock, watcher, timeoutMs, () => {
      this.subscriptions.delete(subscription);
      if (!this.subscriptions.size) this.end();
    });
    this.subscriptions.add(subscription);
    return subscription;
  }

  /** @param {string} name @param {unknown[]} args */
  tell(name, ...args) {
    for (const subscription of [...this.subscriptions]) subscription.tell(name, ...args);
  }

  /** The last that is told. @param {string} name @param {unknown[]} args */
  finish(name, ...args) {
    this.end(); // first: a callback that watches the same again needs a connection of its own
    for (const subscription of [...this.subscriptions]) subscription.finish(name, ...args);
  }

  end() {
    this.connection.end();
  }
}

/** One thing, for everybody who watches it. @template T */
class SharedWatch extends Source {
  mayGoWithoutStream = true;
  /** @type {T | undefined} */
  known;
  /** Those that joined and were not told yet how it stands. @type {Set<Subscription>} */
  #newcomers = new Set();

  /** @param {Http} http @param {string} eventsPath @param {() => void} onEnd */
  constructor(http, eventsPath, onEnd) {
    super(http, eventsPath);
    this.onEnd = onEnd;
  }

  /** @param {{timeoutMs?: number}} watcher */
  join(watcher) {
    const subscription = this.subscribe(watcher, watcher.timeoutMs ?? DAY_MS);
    this.#newcomers.add(subscription);
    queueMicrotask(() => {
      if (this.known && this.#newcomers.delete(subscription)) subscription.tell("onUpdate", this.known);
    });
    return subscription.handle(this.connection);
  }

  /** Tells everybody how it stands now. @param {T} now @param {boolean} isLast */
  tellAll(now, isLast) {
    this.known = now;
    this.#newcomers.clear();
    if (isLast) this.end();
    this.tell("onUpdate", now);
    if (isLast) this.finish("onComplete", now);
  }

  end() {
    super.end();
    this.onEnd();
  }
}

/** @extends {SharedWatch<Generation>} */
class GenerationWatch extends SharedWatch {
  /** @param {Http} http @param {string} path @param {() => void} onEnd */
  constructor(http, path, onEnd) {
    super(http, `${path}/events`, onEnd);
    this.statusPath = `${path}/status`;
    this.connection.start();
  }

  get lastEventId() {
    return this.known?.version?.toString();
  }

  /** @param {StreamEvent} event */
  onEvent(event) {
    if (event.type === "generation") this.#learn(JSON.parse(event.data));
  }

  /** @param {AbortSignal} signal */
  async poll(signal) {
    const version = this.known?.version;
    const headers = { "If-None-Match": version === undefined ? undefined : `"${version}"` };
    const answer = await this.http.ask(this.statusPath, { headers, signal });
    if (answer.status !== 304 && !signal.aborted) this.#learn({ ...answer.body, version: versionsIn(answer.etag)?.[0] });
    return answer.retryAfter;
  }

  /** @param {Generation} fresh */
  #learn(fresh) {
    if (!isNews(fresh, this.known)) return;
    const now = merged(this.known, fresh);
    this.tellAll(now, isFinal(now));
  }
}

/**
 * A project: the events of its generations tell that it changed, its document how it stands. It is asked for without events, too,
 * only more rarely: none tells of what is done without a generation, or not at all.
 * @extends {SharedWatch<Project>}
 */
class ProjectWatch extends SharedWatch {
  pollMs = PROJECT_POLL_MS;
  mustPoll = true;
  /** @type {string | undefined} */
  #cursor;
  /** @type {string | undefined} */
  #etag;
  /** Until the events so far are followed by a question. @type {unknown} */
  #collecting;
  #isAsking = false;
  #isStale = false;
  #hasFailed = false;

  /** @param {Http} http @param {string} path @param {() => void} onEnd */
  constructor(http, path, onEnd) {
    super(http, `/v1/events${queryOf({ project: path.split("/").at(-1) })}`, onEnd);
    this.path = path;
    this.connection.start();
  }

  get lastEventId() {
    return this.#cursor;
  }

  /** @param {StreamEvent} event */
  onEvent(event) {
    this.#cursor = event.id || this.#cursor;
    if (event.type === "ready") this.#look();
    if (event.type === "generation") this.#lookSoon();
  }

  #lookSoon() {
    this.#collecting ??= this.http.clock.setTimeout(() => {
      this.#collecting = undefined;
      this.#look();
    }, COLLECT_MS);
  }

  /** Asks at once; after an answer that is under way, since it may be older; not when the last failed: then the polls go on. */
  #look() {
    if (this.#isAsking) this.#isStale = true;
    else if (!this.#hasFailed) this.connection.pollNow();
  }

  /** @param {AbortSignal} signal */
  async poll(signal) {
    this.#isAsking = true;
    this.#hasFailed = true; // until it has not
    try {
      const answer = await this.http.ask(this.path, { headers: { "If-None-Match": this.#etag }, signal });
      this.#hasFailed = false;
      if (answer.status !== 304 && !signal.aborted) this.#learn(answer.body, answer.etag);
      return answer.retryAfter;
    } finally {
      this.#isAsking = false;
      if (this.#isStale && !signal.aborted) this.#lookSoon();
      this.#isStale = false;
    }
  }

  /** @param {Project} fresh @param {string | undefined} etag */
  #learn(fresh, etag) {
    if (!fresh?.steps) throw new TypeError("this is no project");
    if (!isNewerProject(fresh, etag, this.known, this.#etag)) return;
    this.#etag = etag;
    this.tellAll(Object.freeze(fresh), fresh.status !== "running");
  }

  end() {
    this.http.clock.clearTimeout(this.#collecting);
    super.end();
  }
}

/** All generations of the key's owner, or those of a project. */
class OwnerFeed extends Source {
  pollMs = LIST_POLL_MS;
  /** By id, in the order of their latest changes. @type {Map<string, Generation>} */
  known = new Map();
  hasListed = false;
  /** @type {string | undefined} */
  #cursor;

  /** @param {Http} http @param {string | undefined} project */
  constructor(http, project) {
    super(http, `/v1/events${queryOf({ project })}`);
    this.project = project;
  }

  /** @param {object} watcher @param {number} timeoutMs */
  start(watcher, timeoutMs) {
    const subscription = this.subscribe(watcher, timeoutMs);
    this.connection.start();
    return subscription.handle(this.connection);
  }

  get lastEventId() {
    return this.#cursor;
  }

  /** @param {StreamEvent} event */
  onEvent(event) {
    if (event.type === "ready") this.onReady(JSON.parse(event.data).resumed === true);
    if (event.type === "generation") this.onGeneration(JSON.parse(event.data), true);
    this.#cursor = event.id || this.#cursor;
  }

  /** @param {boolean} resumed */
  onReady(resumed) {
    this.tell("onReady", resumed);
  }

  /** The newest page will do: what it lacks, the events tell when they are back. @param {AbortSignal} signal */
  async poll(signal) {
    const { items } = await this.list(signal);
    if (signal.aborted) return undefined;
    for (const item of items.reverse()) this.onGeneration(generationIn(item), this.hasListed);
    this.hasListed = true;
  }

  /** @param {AbortSignal} signal @param {string} [cursor] */
  async list(signal, cursor) {
    const query = queryOf({ project: this.project, limit: PAGE, cursor });
    return (await this.http.ask(`/v1/generations${query}`, { signal })).body;
  }

  /** @param {Generation} fresh @param {boolean} isRecent whether it came up, if unknown, after the watch began */
  onGeneration(fresh, isRecent) {
    const wasKnown = this.known.has(fresh.id);
    const known = this.learn(fresh);
    if (!known) return;
    this.tell("onUpdate", known);
    if (isFinal(known) && (wasKnown || isRecent)) this.tell("onComplete", known);
    if (this.known.size > MOST_KNOWN) this.known.delete(this.known.keys().next().value ?? "");
  }

  /** How the generation stands now, if that is news. @param {Generation} fresh */
  learn(fresh) {
    const before = this.known.get(fresh.id);
    if (!isNews(fresh, before)) return undefined;
    const known = merged(before, fresh);
    this.known.delete(known.id);
    this.known.set(known.id, known);
    return known;
  }
}

/** A project's generations, until all are final. */
class ProjectFeed extends OwnerFeed {
  mustPoll = true;
  /** Ids of those whose changes were not told yet. @type {Set<string>} */
  #changed = new Set();

  /** @param {boolean} resumed */
  onReady(resumed) {
    if (resumed) return;
    this.mustPoll = true;
    this.connection.pollNow(); // a listing that began before the stream did may lack what happened in between
  }

  /** @param {AbortSignal} signal */
  async poll(signal) {
    const items = [];
    for (let cursor; cursor !== null && !signal.aborted; ) {
      const page = await this.list(signal, cursor);
      items.push(...page.items);
      cursor = page.next;
    }
    if (signal.aborted) return undefined;
    this.hasListed = true;
    this.mustPoll = false;
    for (const item of items.reverse()) this.#note(generationIn(item));
    this.#tellChanges();
  }

  /** @param {Generation} fresh */
  onGeneration(fresh) {
    this.#note(fresh);
    this.#tellChanges();
  }

  /** @param {Generation} fresh */
  #note(fresh) {
    if (this.learn(fresh)) this.#changed.add(fresh.id);
  }

  #tellChanges() {
    if (!this.hasListed) return;
    const all = [...this.known.values()];
    for (const id of this.#changed) this.tell("onUpdate", this.known.get(id), all);
    this.#changed.clear();
    if (!this.mustPoll && all.every(isFinal)) this.finish("onComplete", all);
  }
}

/** One who watches: its callbacks are called until the watch ends, never after. */
class Subscription {
  #clock;
  #watcher;
  #onEnd;
  #timer;
  #hasEnded = false;

  /** @param {Clock} clock @param {Record<string, any>} watcher @param {number} timeoutMs @param {() => void} onEnd */
  constructor(clock, watcher, timeoutMs, onEnd) {
    this.#clock = clock;
    this.#watcher = watcher;
    this.#onEnd = onEnd;
    const timeout = new VidpollError("timeout", `not over after ${timeoutMs / 1000} seconds`, { retryable: false });
    if (timeoutMs <= MOST_TIMER_MS) this.#timer = clock.setTimeout(() => this.finish("onError", timeout), timeoutMs);
  }

  /** @param {string} name @param {unknown[]} args */
  tell(name, ...args) {
    if (!this.#hasEnded) void this.#call(name, args);
  }

  /** @param {string} name @param {unknown[]} args */
  finish(name, ...args) {
    if (this.#hasEnded) return;
    this.#end();
    void this.#call(name, args);
  }

  /** A callback that throws does not break the watch. @param {string} name @param {unknown[]} args */
  async #call(name, args) {
    try {
      await this.#watcher[name]?.(...args);
    } catch (error) {
      console.error(`vidpoll: ${name} threw`, error);
    }
  }

  #end() {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#clock.clearTimeout(this.#timer);
    this.#onEnd();
  }

  /** What the watcher gets. @param {Connection} connection @returns {Watch} */
  handle(connection) {
    const mode = () => (this.#hasEnded ? "ended" : connection.mode);
    return {
      cancel: () => this.#end(),
      get mode() {
        return mode();
      },
    };
  }
}

// -- how it is followed -----------------------------------------------------------------------------------------------

/** Has a source follow its stream of events, and poll while there is none. */
class Connection {
  /** @type {Watch["mode"]} */
  mode = "connecting";
  #http;
  #source;
  #lifetime = new AbortController();
  /** @type {AbortController | null} */
  #poller = null;
  /** Codes of the errors told since the stream last was steady. @type {Set<string>} */
  #told = new Set();
  #breaks = 0;
  #reconnectMs = RECONNECT_MS.first;

  /** @param {Http} http @param {Source} source */
  constructor(http, source) {
    this.#http = http;
    this.#source = source;
  }

  start() {
    void this.#keepStreaming(this.#lifetime.signal);
  }

  end() {
    this.mode = "ended";
    this.#lifetime.abort();
    this.#stopPolling();
  }

  /** Polls at once; a poll under way is dropped. */
  pollNow() {
    this.#stopPolling();
    this.#startPolling(0);
  }

  /** @param {AbortSignal} lifetime */
  async #keepStreaming(lifetime) {
    while (!lifetime.aborted) {
      const waitMs = await this.#streamOnce(lifetime);
      if (waitMs === null) return;
      await sleep(this.#http.clock, waitMs, lifetime);
    }
  }

  /** Milliseconds until the next try; null if there is to be none. @param {AbortSignal} lifetime */
  async #streamOnce(lifetime) {
    if (this.#source.mayGoWithoutStream && !this.#http.hasRoomForStream()) {
      this.#startPolling();
      return this.#reconnectMs;
    }
    try {
      await this.#stream(lifetime);
      this.#startPolling(); // 204: no event will come, so the final state is there to be read
      return null;
    } catch (error) {
      return lifetime.aborted ? null : this.#fallBack(asVidpollError(error));
    }
  }

  /** Hands events on until the stream breaks, which throws, or none is to come. @param {AbortSignal} lifetime */
  async #stream(lifetime) {
    const { clock } = this.#http;
    const began = clock.now();
    const watchdog = new Deadline(clock, SILENCE_MS, lifetime);
    const patience = clock.setTimeout(() => this.#startPolling(), FIRST_BYTE_MS);
    this.#http.streams++;
    try {
      const reader = await this.#http.openStream(this.#source.eventsPath, this.#source.lastEventId, watchdog.signal);
      const parser = new EventStreamParser();
      while (reader && !lifetime.aborted) {
        const bytes = await nextChunk(reader);
        if (lifetime.aborted) return; // it was on its way already
        const events = parser.push(bytes);
        watchdog.restart(SILENCE_MS);
        clock.clearTimeout(patience);
        this.#onSignOfLife(clock.now() - began, parser.retryMs);
        for (const event of events) this.#source.onEvent(event);
      }
    } catch (error) {
      throw watchdog.isOver ? new VidpollError("stalled", "the stream of events fell silent") : error;
    } finally {
      this.#http.streams--;
      clock.clearTimeout(patience);
      watchdog.release();
    }
  }

  /** @param {number} ageMs @param {number | undefined} retryMs */
  #onSignOfLife(ageMs, retryMs = this.#reconnectMs) {
    this.mode = "events";
    if (!this.#source.mustPoll) this.#stopPolling();
    this.#reconnectMs = Math.min(Math.max(retryMs, RECONNECT_MS.least), RECONNECT_MS.most);
    if (ageMs < STEADY_MS) return;
    this.#breaks = 0;
    this.#told.clear();
  }

  /** @param {VidpollError} error */
  #fallBack(error) {
    this.mode = "polling";
    this.#startPolling(atLeast(this.#source.pollMs[0], error.code === "too_many_streams" ? 0 : error.retryAfter));
    this.#report(error);
    return atLeast(Math.min(this.#reconnectMs * 2 ** this.#breaks++, RECONNECT_MS.most), error.retryAfter);
  }

  /** @param {VidpollError} error */
  #report(error) {
    if (REFUSALS.has(error.status)) {
      this.#source.finish("onError", error);
    } else if (!this.#told.has(error.code)) {
      this.#told.add(error.code);
      error.retryable = true; // also where the same request on its own would not be repeated: this watch goes on
      this.#source.tell("onError", error);
    }
  }

  #startPolling(firstMs = atLeast(this.#source.pollMs[0])) {
    if (this.#poller || this.mode === "ended") return;
    if (this.mode === "connecting") this.mode = "polling";
    this.#poller = new AbortController();
    void this.#keepPolling(firstMs, this.#poller.signal);
  }

  #stopPolling() {
    this.#poller?.abort();
    this.#poller = null;
  }

  /** @param {number} waitMs @param {AbortSignal} signal */
  async #keepPolling(waitMs, signal) {
    const { pollMs } = this.#source;
    for (let polls = 1; ; polls++) {
      await sleep(this.#http.clock, waitMs, signal);
      if (signal.aborted) return;
      const retryAfter = await this.#pollOnce(signal);
      if (signal.aborted) return;
      if (this.mode === "events" && !this.#source.mustPoll) return this.#stopPolling();
      waitMs = atLeast(pollMs[Math.min(polls, pollMs.length - 1)], retryAfter);
    }
  }

  /** @param {AbortSignal} signal */
  async #pollOnce(signal) {
    try {
      return await this.#source.poll(signal);
    } catch (thrown) {
      const error = asVidpollError(thrown);
      if (!signal.aborted) this.#report(error);
      return error.retryAfter;
    }
  }
}

/** Reads server-sent events, in whatever pieces they come. */
class EventStreamParser {
  /** How long the server asks to wait before reconnecting. @type {number | undefined} */
  retryMs;
  #decoder = new TextDecoder(); // drops a byte order mark, and keeps half a character for the next piece
  #line = "";
  #endedInCr = false;
  #id = "";
  #type = "";
  /** @type {string[]} */
  #data = [];

  /** @param {Uint8Array} bytes */
  push(bytes) {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (!text) return [];
    if (this.#endedInCr && text.startsWith("\n")) text = text.slice(1);
    this.#endedInCr = text.endsWith("\r");
    const lines = (this.#line + text).split(/\r\n|\n|\r/);
    this.#line = lines.pop() ?? "";
    return lines.flatMap((line) => (line ? this.#readField(line) : this.#dispatch()));
  }

  /** @param {string} line @returns {StreamEvent[]} */
  #readField(line) {
    const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === "data") this.#data.push(value);
    if (name === "event") this.#type = value;
    if (name === "id" && !value.includes("\0")) this.#id = value;
    if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
    return [];
  }

  /** @returns {StreamEvent[]} */
  #dispatch() {
    const events = this.#data.length ? [{ type: this.#type, id: this.#id, data: this.#data.join("\n") }] : [];
    this.#type = "";
    this.#data = [];
    return events;
  }
}

// -- how it is asked --------------------------------------------------------------------------------------------------

/** Sends requests, with the key. */
class Http {
  /** Streams of events that are open. */
  streams = 0;
  #authorization;
  #base;
  #fetch;
  #maxStreams;

  /** @param {Options} options */
  constructor({ apiKey, baseUrl = globalThis.location?.origin, fetch = globalThis.fetch, maxStreams = 4, clock }) {
    if (!/^[\x21-\x7e]+$/.test(apiKey ?? "")) throw new TypeError("apiKey is empty, or holds what no key does");
    if (!baseUrl) throw new TypeError("outside of web pages baseUrl must be given");
    this.#authorization = `Bearer ${apiKey}`;
    this.#base = new URL(baseUrl, globalThis.location?.href).href.replace(/\/+$/, "");
    this.#fetch = fetch;
    this.#maxStreams = maxStreams;
    this.clock = clock ?? SYSTEM_CLOCK;
  }

  hasRoomForStream() {
    return this.streams < this.#maxStreams;
  }

  /** @param {string} path @param {Asked} [asked] */
  async ask(path, { method = "GET", headers = {}, json, signal } = {}) {
    const deadline = new Deadline(this.clock, REQUEST_MS, signal);
    try {
      const body = json === undefined ? undefined : JSON.stringify(json);
      const sent = { "Content-Type": body && "application/json", ...headers };
      const response = await this.#send(path, deadline.signal, sent, { method, body });
      if (!response.ok && response.status !== 304) throw await this.#refusal(response);
      return {
        status: response.status,
        etag: response.headers.get("ETag") ?? undefined,
        retryAfter: this.#retryAfterIn(response.headers),
        body: await jsonIn(response),
      };
    } finally {
      deadline.release();
    }
  }

  /**
   * What reads the stream's bytes; null if it has ended for good.
   * @param {string} path @param {string | undefined} lastEventId @param {AbortSignal} signal
   */
  async openStream(path, lastEventId, signal) {
    const response = await this.#send(path, signal, { Accept: "text/event-stream", "Last-Event-ID": lastEventId });
    if (response.status === 204) return null;
    if (!response.ok) throw await this.#refusal(response);
    const isStream = response.headers.get("Content-Type")?.startsWith("text/event-stream");
    if (!response.body || !isStream) throw new VidpollError("bad_answer", "the answer is no stream of events");
    return response.body.getReader();
  }

  /** @param {string} path @param {AbortSignal} signal @param {Asked["headers"]} headers @param {RequestInit} [init] */
  async #send(path, signal, headers, init) {
    // Outside of the try: a header that cannot be sent is the caller's mistake, not the network's.
    const sent = new Headers({ ...given(headers), Authorization: this.#authorization });
    const fetch = this.#fetch; // browsers refuse to call it as a method
    const prudence = /** @type {const} */ ({ cache: "no-store", credentials: "omit", redirect: "error" });
    try {
      return await fetch(this.#base + path, { ...init, ...prudence, headers: sent, signal });
    } catch (cause) {
      throw new VidpollError("network", "no answer from the API", { cause });
    }
  }

  /** @param {Response} response */
  async #refusal(response) {
    const problem = problemIn(await response.text().catch(() => ""));
    return new VidpollError(problem.code ?? `http_${response.status}`, problem.detail ?? `HTTP ${response.status}`, {
      status: response.status,
      retryAfter: this.#retryAfterIn(response.headers),
      errors: problem.errors,
    });
  }

  /** @param {Headers} headers */
  #retryAfterIn(headers) {
    const text = headers.get("Retry-After") ?? "";
    const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - this.clock.now()) / 1000;
    return seconds >= 0 ? seconds : undefined;
  }
}

/** @implements {ErrorInterface} */
export class VidpollError extends Error {
  /**
   * @param {string} code @param {string} message
   * @param {{status?: number, retryAfter?: number, errors?: string[], retryable?: boolean, cause?: unknown}} [details]
   */
  constructor(code, message, { status = 0, retryAfter, errors, retryable, cause } = {}) {
    super(message, cause ? { cause } : undefined);
    this.name = "VidpollError";
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
    this.errors = errors;
    this.retryable = retryable ?? (status < 400 || status === 408 || status === 429 || status >= 500);
  }
}

/** @param {unknown} error */
function asVidpollError(error) {
  return error instanceof VidpollError ? error : new VidpollError("bad_answer", "cannot be read", { cause: error });
}

/** What a problem document says; nothing if it is none. @param {string} text */
function problemIn(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {}; // a proxy's, perhaps
  }
}

/** @param {Response} response */
async function jsonIn(response) {
  const text = await response.text().catch(brokeOff);
  try {
    return text ? JSON.parse(text) : undefined;
  } catch {
    throw new VidpollError("bad_answer", "the answer is no JSON", { status: response.status });
  }
}

/** @param {ReadableStreamDefaultReader<Uint8Array>} reader */
async function nextChunk(reader) {
  const { value } = await reader.read().catch(brokeOff);
  return value ?? brokeOff();
}

/** @param {unknown} [cause] @returns {never} */
function brokeOff(cause) {
  throw new VidpollError("network", "the answer broke off", { cause });
}

/** The numbers an ETag is made of. @param {string | undefined} etag */
function versionsIn(etag) {
  return /^(?:W\/)?"(\d+(?:\.\d+)*)"$/.exec(etag ?? "")?.[1]?.split(".").map(Number);
}

/** @param {object} parameters */
function queryOf(parameters) {
  const query = new URLSearchParams(given(parameters)).toString();
  return query && `?${query}`;
}

/** Without what is undefined or null. @param {object} [fields] @returns {Record<string, any>} */
function given(fields = {}) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));
}

/** @param {string} id */
function pathOf(id) {
  if (!/^[\w-]+$/.test(id)) throw new TypeError("this is no id of a generation");
  return `/v1/generations/${id}`;
}

/** @param {string} id */
function projectPathOf(id) {
  if (!/^[\w-]+$/.test(id)) throw new TypeError("this is no id of a project");
  return `/v1/projects/${id}`;
}

/** Not randomUUID, which pages that came by plain http do not have. */
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// -- how a generation stands ------------------------------------------------------------------------------------------

/** @param {Generation} generation */
function isFinal(generation) {
  return FINAL.has(generation.status);
}

/** @param {Generation} fresh @param {Generation | undefined} known */
function isNews(fresh, known) {
  if (!fresh.status) throw new TypeError("this is no generation");
  if (!known) return true;
  if (fresh.version !== undefined && known.version !== undefined) return fresh.version > known.version;
  return fresh.status !== known.status || fresh.progress !== known.progress;
}

/**
 * Events tell what changed: all else stays, but for what was of the moment.
 * @param {Generation | undefined} known @param {Generation} fresh @returns {Generation}
 */
function merged(known, fresh) {
  const { error, eta_s, eta_p90_s, elapsed_s, next_check_s, kind, at, ...lasting } = known ?? { progress: 0 };
  return Object.freeze(/** @type {Generation} */ ({ ...lasting, ...given(fresh) }));
}

/** How the generation stands that an item of a list tells everything about. @param {Record<string, any>} item */
function generationIn(item) {
  const { id, status, progress, version, stage, overdue, video_url, error, project_id, result } = item;
  const { eta_s, eta_p90_s, elapsed_s, next_check_s, checks } = item;
  const { late, seed, content_type } = result ?? {};
  const times = { eta_s, eta_p90_s, elapsed_s, next_check_s, checks };
  const what = { content_type, generation_kind: item.kind === "video" ? undefined : item.kind };
  return { id, status, progress, version, stage, overdue, video_url, late, error, seed, ...times, project_id, ...what };
}

// -- how a project stands ---------------------------------------------------------------------------------------------

/**
 * By its own version, then by those of its steps, which its ETag has both.
 * @param {Project} fresh @param {string | undefined} etag @param {Project | undefined} known @param {string | undefined} knownEtag
 */
function isNewerProject(fresh, etag, known, knownEtag) {
  if (!known) return true;
  const [before, after] = [versionsIn(knownEtag), versionsIn(etag)];
  if (!before || !after) return fresh.version >= known.version && JSON.stringify(fresh) !== JSON.stringify(known);
  const differing = after.findIndex((number, place) => number !== before[place]);
  return differing >= 0 && after[differing] > (before[differing] ?? -1);
}

// -- time -------------------------------------------------------------------------------------------------------------

/** Aborts its signal when the time is over, or when its parent aborts. */
class Deadline {
  isOver = false;
  #controller = new AbortController();
  #abort = () => this.#controller.abort();
  #clock;
  #parent;
  /** @type {unknown} */
  #timer;

  /** @param {Clock} clock @param {number} ms @param {AbortSignal} [parent] */
  constructor(clock, ms, parent) {
    this.#clock = clock;
    this.#parent = parent;
    parent?.addEventListener("abort", this.#abort);
    if (parent?.aborted) this.#abort();
    this.restart(ms);
  }

  get signal() {
    return this.#controller.signal;
  }

  /** @param {number} ms */
  restart(ms) {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => {
      this.isOver = true;
      this.#abort();
    }, ms);
  }

  /** Also ends what is still under way with its signal. */
  release() {
    this.#clock.clearTimeout(this.#timer);
    this.#parent?.removeEventListener("abort", this.#abort);
    this.#abort();
  }
}

/** As long as planned or as the server asks, and a little more. @param {number} ms @param {number} [retryAfter] */
function atLeast(ms, retryAfter = 0) {
  return Math.max(ms, Math.min(retryAfter, MOST_RETRY_AFTER_S) * 1000) * (1 + JITTER * Math.random());
}

/** Waits, unless the signal aborts. @param {Clock} clock @param {number} ms @param {AbortSignal} [signal] */
async function sleep(clock, ms, signal) {
  if (signal?.aborted || !ms) return;
  const deadline = new Deadline(clock, ms, signal);
  await new Promise((resolve) => deadline.signal.addEventListener("abort", resolve));
  deadline.release();
}
