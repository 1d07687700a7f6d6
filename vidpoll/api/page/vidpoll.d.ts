/** Client of vidpoll's HTTP side, for browsers and Node ≥ 20. See docs/http.md for what goes over the wire. */

export type Status = "pending" | "submitting" | "processing" | "unknown" | "completed" | "failed" | "cancelled";

/** How a generation stands, as far as answers and events told. Callbacks get it frozen: a change comes as a new object. */
export interface Generation {
  id: string;
  status: Status;
  /** 0 to 100, as the provider tells it; it never falls. */
  progress: number;
  /** Grows with every change; absent from what `statusOf` answers. */
  version?: number;
  /** What the provider is doing, in words. */
  stage?: string;
  overdue?: boolean;
  /** Where the video is. Instead of a long address a status read tells a path of the API, which wants the key; see `get` then. */
  video_url?: string;
  /** Completed after it had failed by time-out. (`watch` has ended then; `watchAll` tells.) */
  late?: boolean;
  error?: { code: string; message: string; retryable?: boolean };
  seed?: number;
  /**
   * Seconds until half, and until nine tenths, of those are done that run as long as this one; absent when final or when nobody can
   * tell. They and the next two are as of the answer, or of the event's `at`, and come with no new version of their own: count on.
   */
  eta_s?: number;
  eta_p90_s?: number;
  /** Seconds since the paid call, until it ended if it has; while none was made, since it was asked for. */
  elapsed_s?: number;
  /** Seconds until the provider is asked next; absent when that is not planned. Events do not tell it. */
  next_check_s?: number;
  /** How often the provider was asked, when that was told last. */
  checks?: number;
  project_id?: string;
  kind?: string;
  at?: string;
}

export interface NewGeneration {
  provider: string;
  model: string;
  prompt: string;
  account?: string;
  params?: Record<string, unknown>;
  priority?: number;
  timeout_s?: number;
  project_id?: string;
}

export interface Submitted {
  id: string;
  status: Status;
  /** False when the idempotency key was known: this is the generation made before. */
  new: boolean;
}

/** The API said no, or could not be reached. Neither its message nor its cause holds the key. */
export class VidpollError extends Error {
  private constructor();
  /**
   * The problem's stable code, e.g. "not_found". Without a problem document "http_" and the status, e.g. "http_502". Of the
   * client itself: "network" when no answer came within 30 seconds or it broke off, "stalled" when a stream of events gave no
   * byte for 45 seconds, "bad_answer" when what came is not what the API answers, "timeout" when a watch ran out of time.
   */
  code: string;
  /** HTTP status; 0 when no answer came. */
  status: number;
  /** Seconds the server asks to wait. */
  retryAfter?: number;
  /** One sentence for each thing wrong with a request. */
  errors?: string[];
  /** Whether the same call may work later. */
  retryable: boolean;
}

export interface Options {
  /** Where the API is; the page's own origin if not given. */
  baseUrl?: string;
  apiKey: string;
  /** Something like the global fetch. */
  fetch?: typeof fetch;
  /**
   * Streams of events that `watch` opens at once; 4 if not given. A browser has six connections to a server over HTTP/1.1, and
   * a stream keeps one. Further watches poll until a stream ends. `watchAll` and `watchProject` always get their one.
   */
  maxStreams?: number;
  /** What tells the time and wakes; for tests. */
  clock?: Clock;
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  /** Gets what setTimeout returned, or undefined. */
  clearTimeout(timer: any): void;
}

export interface Watcher {
  /** Called with every change, first with how it stands now. Versions only grow. */
  onUpdate?: (generation: Generation) => void;
  /** Called once with the final state; the watch has ended then. */
  onComplete?: (generation: Generation) => void;
  /**
   * Called with what went wrong. The watch goes on when `error.retryable`, else it has ended (401, 403, 404, 422, "timeout").
   * Each `error.code` is told once, and again only after a stream of events has worked for ten seconds in between.
   */
  onError?: (error: VidpollError) => void;
  /** Milliseconds after which the watch ends with a "timeout" error; 24 hours if not given. */
  timeoutMs?: number;
}

export interface Watch {
  /** Ends the watch; nothing is called after it. */
  cancel(): void;
  /** How changes come in at the moment. */
  readonly mode: "connecting" | "events" | "polling" | "ended";
}

export class Vidpoll {
  constructor(options: Options);
  /**
   * Ask for one video. Without an idempotency key one is made, so that the repeats of this very call pay once: it is sent up to
   * three times more when no answer comes or the API is away or has too much to do (429, 502, 503, 504).
   */
  submit(request: NewGeneration, options?: { idempotencyKey?: string }): Promise<Submitted>;
  /** Everything about one. */
  get(id: string): Promise<Record<string, unknown>>;
  /** How several stand; those that are not there are left out. Any number: they are asked for in parts of 200. */
  statusOf(ids: string[]): Promise<Generation[]>;
  /** The newest first, a page at a time. */
  list(options?: { status?: Status; project?: string; cursor?: string; limit?: number }): Promise<{ items: Record<string, unknown>[]; next: string | null }>;
  refresh(id: string): Promise<void>;
  cancel(id: string): Promise<void>;
  /** Ask anew for one that failed or was cancelled; the new generation. Repeated like `submit`: there is one new generation. */
  retry(id: string): Promise<Submitted>;
  /**
   * Follow one until it is final: by server-sent events; while those do not work by polling (1, 2, 5, then every 10 seconds,
   * or later if Retry-After says so), trying events again meanwhile. Watching an id that is watched shares its connection.
   * Callbacks are never called before `watch` has returned; what they throw goes to console.error, and the watch goes on.
   */
  watch(id: string, watcher: Watcher): Watch;
  /**
   * Follow every generation of the owner, or of one project, until cancelled (or until `timeoutMs`, if given). It begins with what
   * happens next: list what there is when `onReady(false)` is called. `onComplete` is called for each that ends, and again for one
   * that had timed out and is completed late. While there are no events, the newest 100 are listed every 10 seconds.
   */
  watchAll(watcher: Watcher & { project?: string; onReady?: (resumed: boolean) => void }): Watch;
  /**
   * Follow a project's generations; `onComplete` is called once, with all of them, when every one is final: at once if there are
   * none. `onUpdate` is called for every one when all have been listed, then with each change.
   */
  watchProject(project: string, watcher: {
    onUpdate?: (generation: Generation, all: Generation[]) => void;
    onComplete?: (all: Generation[]) => void;
    onError?: (error: VidpollError) => void;
    timeoutMs?: number;
  }): Watch;
}
