/** Uses every member of the interface; `tsc` checks it, nothing runs it. (vidpoll.js itself says that it implements the interface.) */

import { Vidpoll, VidpollError } from "../../vidpoll/api/page/vidpoll.js";
import type { Clock, Generation, NewGeneration, NewProject, Options, Project, ProjectItem, Status, Step, Submitted, SubmittedProject, Watch, Watcher } from "../../vidpoll/api/page/vidpoll.js";

const clock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};
const options: Options = { baseUrl: "https://api.test", apiKey: "vp_1", fetch: globalThis.fetch, maxStreams: 2, clock };
const client = new Vidpoll(options);
new Vidpoll({ apiKey: "vp_1" });
// @ts-expect-error a key is needed
new Vidpoll({});
// @ts-expect-error errors are made by the client only
new VidpollError("no");

const request: NewGeneration = {
  provider: "veo", model: "veo-3.1", prompt: "a fox", account: "main", params: { seed: 1 }, priority: 3, timeout_s: 60, project_id: "p1",
};

export async function call(): Promise<void> {
  const submitted: Submitted = await client.submit(request, { idempotencyKey: "fox-1" });
  const retried: Submitted = await client.retry(submitted.id);
  const isNew: boolean = retried.new;
  const everything: Record<string, unknown> = await client.get(submitted.id);
  const standing: Generation[] = await client.statusOf([submitted.id]);
  const { items, next } = await client.list({ status: "failed", project: "p1", cursor: "c", limit: 10 });
  const page: { items: Record<string, unknown>[]; next: string | null } = await client.list();
  const nothing: void = await client.refresh(submitted.id);
  const nothingEither: void = await client.cancel(submitted.id);
  // @ts-expect-error there is no such status
  await client.list({ status: "done" });
  // @ts-expect-error a prompt is needed
  await client.submit({ provider: "veo", model: "veo-3.1" });
  use(isNew, everything, standing, items, next, page, nothing, nothingEither, submitted.status);
}

const lions: NewProject = {
  name: "lions",
  max_parallel: 10,
  pace_s: 0.5,
  on_failure: "stop",
  steps: [
    { key: "dawn", title: "Dawn", weight: 3, provider: "runware", model: "google:3@3", prompt: "a lion", params: { duration: 4 } },
    { key: "summary", after: ["dawn"], local: "collect", params: { clip: { from: "dawn", path: "url" } } },
  ],
};

export async function callProjects(): Promise<void> {
  const submitted: SubmittedProject = await client.submitProject(lions, { idempotencyKey: "lions-1" });
  const project: Project = await client.project(submitted.project_id);
  const page: { items: ProjectItem[]; next: string | null } = await client.listProjects({ cursor: "c", limit: 10 });
  const keys: string[] = (await client.retryProject(project.project_id)).retried;
  const { status } = await client.cancelProject(project.project_id);
  const clips: Record<string, string> = project.clips;
  // @ts-expect-error a project has steps
  await client.submitProject({ name: "lions" });
  use(page, keys, status, clips, project.progress, project.stage, project.steps.map(fieldsOfStep));
}

function fieldsOfStep({ key, status, progress, stage, title, after, error, result, video_url }: Step): unknown[] {
  const known: [string, string, number, string[], unknown] = [key, status, progress, after, result];
  const perhaps: [string | null, string | null, string | null, string?] = [stage, title, video_url, error?.message];
  return [known, perhaps];
}

const watcher: Watcher = {
  onUpdate: (generation) => use(fieldsOf(generation)),
  onComplete: (generation: Generation) => use(generation.video_url),
  onError: (error) => use(fieldsOfError(error)),
  timeoutMs: 1000,
};

export function follow(): void {
  const watches: Watch[] = [
    client.watch("g1", watcher),
    client.watch("g1", {}),
    client.watchAll({ ...watcher, project: "p1", onReady: (resumed: boolean) => use(resumed) }),
    client.watchProject("p1", {
      onUpdate: (generation: Generation, all: Generation[]) => use(generation.id, all.length),
      onComplete: (all: Generation[]) => use(all.map(({ status }) => status)),
      onError: (error: VidpollError) => use(error.message),
      timeoutMs: 1000,
    }),
    client.followProject("p1", {
      onUpdate: (project: Project) => use(project.progress),
      onComplete: (project: Project) => use(project.clips),
      onError: (error: VidpollError) => use(error.code),
      timeoutMs: 1000,
    }),
  ];
  for (const watch of watches) {
    const mode: "connecting" | "events" | "polling" | "ended" = watch.mode;
    use(mode);
    watch.cancel();
    // @ts-expect-error the mode is told, not set
    watch.mode = "ended";
  }
}

function fieldsOf(generation: Generation): unknown[] {
  const { id, status, progress, version, stage, overdue, video_url, late, error, seed, project_id, kind, at } = generation;
  const { eta_s, eta_p90_s, elapsed_s, next_check_s, checks } = generation;
  const times: (number | undefined)[] = [eta_s, eta_p90_s, elapsed_s, next_check_s, checks];
  const known: [string, Status, number] = [id, status, progress];
  const perhaps: [number?, string?, boolean?, string?, boolean?] = [version, stage, overdue, video_url, late];
  const failed: [string?, string?, boolean?] = [error?.code, error?.message, error?.retryable];
  const more: [number?, string?, string?, string?] = [seed, project_id, kind, at];
  return [known, perhaps, failed, more, times];
}

function fieldsOfError(error: VidpollError): unknown[] {
  const known: [string, number, boolean, string] = [error.code, error.status, error.retryable, error.message];
  const perhaps: [number?, string[]?] = [error.retryAfter, error.errors];
  return [error instanceof Error, known, perhaps];
}

function use(..._: unknown[]): void {}
