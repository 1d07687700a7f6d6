/** Client of vidpoll's HTTP side, for browsers and Node ≥ 20. See docs/http.md for what goes over the wire. */

export type Kind = "video" | "image" | "upscale" | "extend";

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
  /** What was asked for, where that is no video. */
  generation_kind?: Kind;
  /** Of the first result, as far as it is known, e.g. "image/png". */
  content_type?: string;
  /** Where the video, or the image, is. Instead of a long address a status read tells a path of the API, which wants the key; see `get` then. */
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
  /** Of the event; in the answers of `statusOf` that of the generation, where it is no video. */
  kind?: string;
  at?: string;
}

export interface NewGeneration {
  provider: string;
  model: string;
  prompt: string;
  /** "video" if not given. */
  kind?: Kind;
  /** Of an upscale or an extend: the id of the completed generation whose result it begins with. */
  parent?: string;
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

/** What is asked for as a whole: docs/projects.md has the fields. */
export interface NewProject {
  name: string;
  steps: NewStep[];
  max_parallel?: number;
  pace_s?: number;
  on_failure?: "continue" | "stop";
  idempotency_key?: string;
}

export interface NewStep {
  key: string;
  provider?: string;
  model?: string;
  prompt?: string;
  /** "video" if not given. */
  kind?: Kind;
  /** Of an upscale or an extend: the id of a generation, or the step whose result it begins with. */
  parent?: string | { from: string };
  account?: string;
  params?: Record<string, unknown>;
  priority?: number;
  timeout_s?: number;
  after?: string[];
  weight?: number;
  title?: string;
  local?: "collect";
}

export interface SubmittedProject {
  project_id: string;
  status: ProjectStatus;
  /** False when it was there already; nothing is paid then. */
  new: boolean;
}

export type ProjectStatus = "running" | "completed" | "failed" | "cancelled";

/** A project in a list. */
export interface ProjectItem {
  project_id: string;
  name: string;
  status: ProjectStatus;
  total: number;
  completed: number;
  failed: number;
  cancelled: number;
  skipped: number;
  /** Percent by weight; a step that runs counts with its own. */
  progress: number;
  /** What is being done, in words. */
  stage: string;
  version: number;
  created_at: string;
  updated_at: string;
  completed_at: string | null;
}

/** How a project stands. Callbacks get it frozen. */
export interface Project extends ProjectItem {
  /** Steps that have not ended. */
  pending: number;
  all_complete: boolean;
  /** By key, of the steps that are generations: an address (the copy's, where that is on the web), or "pending", "failed", "cancelled", "skipped". */
  clips: Record<string, string>;
  /** In their order. */
  steps: Step[];
  max_parallel: number | null;
  pace_s: number;
  on_failure: "continue" | "stop";
  idempotency_key: string;
}

export interface Step {
  key: string;
  /** That of its generation, or "waiting", or "skipped". */
  status: Status | "waiting" | "skipped";
  progress: number;
  /** What the provider is doing, or why it is skipped. */
  stage: string | null;
  title: string | null;
  /** Keys of the steps it takes something from, or waits for. */
  after: string[];
  weight: number;
  /** What it is, if no generation: "collect". */
  local: string | null;
  /** What its generation makes. */
  kind: Kind | null;
  model: string | null;
  /** How often it was tried again. */
  attempt: number;
  generation_id: string | null;
  video_url: string | null;
  /** Where its copy is, if results are archived and it is stored: on the web, or as the archive calls it. */
  archived_url: string | null;
  /** Of what is at `video_url`, as far as it is known: "video/mp4", "image/png", … */
  content_type: string | null;
  error: { code: string; message: string; retryable?: boolean } | null;
  /** Of a local step. */
  result: unknown;
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
   * Streams of events that `watch` and `followProject` open at once; 4 if not given. A browser has six connections to a server over HTTP/1.1, and
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
   * Ask for one video, or image. Without an idempotency key one is made, so that the repeats of this very call pay once: it is sent up to
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
  /**
   * Ask for a project, all of it or nothing. Without an idempotency key its steps make one, so the same project again pays nothing;
   * it is repeated like `submit`.
   */
  submitProject(project: NewProject, options?: { idempotencyKey?: string }): Promise<SubmittedProject>;
  /** How a project stands. */
  project(id: string): Promise<Project>;
  /** The newest first, a page at a time. */
  listProjects(options?: { cursor?: string; limit?: number }): Promise<{ items: ProjectItem[]; next: string | null }>;
  /** Try again, and pay again, what failed or was cancelled. It is not repeated by itself: what fails again at once would be paid again. */
  retryProject(id: string): Promise<{ project_id: string; status: ProjectStatus; retried: string[] }>;
  /** Start nothing more, and cancel what runs, as far as providers can. */
  cancelProject(id: string): Promise<{ project_id: string; status: ProjectStatus }>;
  /**
   * Follow a project until it has ended, which a retry can undo: follow it anew then. Each update is the whole project; it is asked
   * for anew when events of its generations came (all those of 0.3 s are one), and beside them, or without them, after 2, then
   * every 5 seconds, or later if Retry-After says so. Else it is as `watch`; it counts among the streams of `maxStreams`.
   */
  followProject(id: string, watcher: {
    onUpdate?: (project: Project) => void;
    onComplete?: (project: Project) => void;
    onError?: (error: VidpollError) => void;
    timeoutMs?: number;
  }): Watch;
}
