import assert from "node:assert/strict";
import test from "node:test";

import { frame, hangUp, held, json, problem, stream } from "./fake_api.mjs";
import { codes, pauses, settle, setUp, until, versions } from "./support.mjs";

const LIST = /GET \/v1\/generations$/;
const EVENTS = /GET \/v1\/events$/;

const ids = (generations) => generations.map(({ id }) => id);
const live = (told) => until(() => told.watch.mode === "events" && told.ready.length > 0);

// -- watchAll ---------------------------------------------------------------------------------------------------------

test("a watch of everything says that it is ready, and then what happens", async (t) => {
  const { api, watchAll } = await setUp(t);
  api.add("g1");
  api.add("g2");
  const told = watchAll();
  await live(told);
  assert.deepEqual(told.ready, [false]);
  api.change("g1", { progress: 10 });
  api.change("g2", { status: "failed" });
  api.change("g1", { status: "completed" });
  await until(() => told.completed.length === 2);
  assert.deepEqual(ids(told.updates), ["g1", "g2", "g1"]);
  assert.deepEqual(ids(told.completed), ["g2", "g1"]);
  assert.equal(told.watch.mode, "events");
  assert.equal(api.requests.length, 1);
});

test("a watch of everything can be of one project", async (t) => {
  const { api, watchAll } = await setUp(t);
  api.add("g1", { project_id: "p/1" });
  api.add("g2", { project_id: "p2" });
  const told = watchAll({ project: "p/1" });
  await live(told);
  api.change("g2", { progress: 10 });
  api.change("g1", { progress: 10 });
  await until(() => told.updates.length === 1);
  assert.deepEqual(ids(told.updates), ["g1"]);
});

test("when its stream breaks it resumes after the last event, and what comes twice is told once", async (t) => {
  const { api, clock, watchAll } = await setUp(t);
  api.add("g1");
  const told = watchAll();
  await live(told);
  api.change("g1", { progress: 10 });
  await until(() => told.updates.length === 1);
  api.endStreams();
  await until(() => told.watch.mode === "polling");
  api.on(LIST, problem(503, "unavailable"));
  api.change("g1", { progress: 20 });
  clock.advance(5000);
  await until(() => told.ready.length === 2);
  assert.deepEqual(told.ready, [false, true]);
  assert.equal(api.to(EVENTS)[1].headers["last-event-id"], "1");
  await until(() => told.updates.length === 2);
  api.write(frame("generation", 1, { id: "g1", version: 2, status: "processing", progress: 10 }));
  api.change("g1", { progress: 30 });
  await until(() => told.updates.length === 3);
  assert.deepEqual(versions(told.updates), [2, 3, 4]);
});

test("a stream whose events have no ids leaves the last id as it was", async (t) => {
  const { api, clock, watchAll } = await setUp(t);
  api.add("g1");
  const told = watchAll();
  await live(told);
  api.change("g1", { progress: 10 });
  await until(() => told.updates.length === 1);
  api.on(EVENTS, stream('retry: 7000\nevent: ready\ndata: {"resumed": true}\n\n', { ends: true }), { times: 1 });
  api.endStreams();
  await clock.pass(5000);
  await clock.pass(14_000);
  await until(() => told.ready.length === 3);
  assert.deepEqual(api.to(EVENTS).map(({ headers }) => headers["last-event-id"]), [undefined, "1", "1"]);
});

test("when it cannot be resumed that is said", async (t) => {
  const { api, clock, watchAll } = await setUp(t);
  api.canResume = false;
  const told = watchAll();
  await live(told);
  api.endStreams();
  await clock.pass(5000);
  await until(() => told.ready.length === 2);
  assert.deepEqual(told.ready, [false, false]);
});

test("one that timed out and is completed late is told again", async (t) => {
  const { api, watchAll } = await setUp(t);
  api.add("g1");
  const told = watchAll();
  await live(told);
  api.change("g1", { status: "failed", error: { code: "timed_out", message: "no video", retryable: true } });
  api.change("g1", { status: "completed", late: true });
  await until(() => told.completed.length === 2);
  assert.deepEqual(told.completed.map(({ status, late, error }) => [status, late, error?.code]), [
    ["failed", undefined, "timed_out"],
    ["completed", true, undefined],
  ]);
});

test("without events the newest are listed every ten seconds, and changes are told", async (t) => {
  const { api, clock, watchAll } = await setUp(t);
  api.on(EVENTS, problem(429, "too_many_streams", { retryAfter: 60 }));
  for (const id of ["old", "g1"]) api.add(id, { project_id: "p1", ...(id === "old" && { status: "completed" }) });
  const told = watchAll({ project: "p1" });
  await clock.pass(1000);
  await until(() => told.updates.length === 2);
  assert.deepEqual(ids(told.updates), ["old", "g1"]);
  assert.deepEqual(told.completed, [], "what was final before the watch began has not ended in it");
  api.change("g1", { status: "failed", error: { code: "refused", message: "no" } });
  api.add("g2", { project_id: "p1", status: "completed" });
  await clock.pass(10_000);
  await until(() => told.completed.length === 2);
  assert.deepEqual(ids(told.completed), ["g1", "g2"]);
  assert.equal(told.completed[0].error.code, "refused");
  await clock.pass(10_000);
  await until(() => api.to(LIST).length === 3);
  assert.deepEqual(pauses(api.to(LIST)), [10_000, 10_000]);
  assert.deepEqual(api.to(LIST)[0].query, { project: "p1", limit: "100" });
  assert.equal(told.updates.length, 4);
  assert.deepEqual(codes(told.errors), ["too_many_streams"]);
});

test("a list tells as much as events do", async (t) => {
  const { api, clock, watchAll } = await setUp(t);
  api.on(EVENTS, hangUp, { times: 1 });
  const item = { id: "g1", version: 9, status: "completed", progress: 100, video_url: "https://videos/1.mp4", project_id: "p1" };
  const rest = { stage: null, error: null, prompt: "a fox", params: {}, result: { late: true, seed: 7, cost: 1 } };
  api.on(LIST, json({ items: [{ ...item, overdue: false, ...rest }], next: null }));
  const told = watchAll();
  await clock.pass(1000);
  await until(() => told.updates.length === 1);
  assert.deepEqual(told.updates[0], { ...item, overdue: false, late: true, seed: 7 });
});

test("a watch of everything remembers ten thousand generations, not more", async (t) => {
  const { api, watchAll } = await setUp(t);
  const event = (n) => frame("generation", n, { id: `g${n}`, version: 2, status: "processing", progress: 1 });
  const first = Array.from({ length: 10_001 }, (_, index) => event(index)).join("");
  api.on(EVENTS, stream(first + event(1) + event(10_000) + event(0)));
  const told = watchAll();
  await until(() => told.updates.length === 10_002);
  await settle();
  assert.deepEqual([told.updates.length, told.updates.at(-1).id], [10_002, "g0"]);
});

test("what was listed and what events tell is one and the same: versions never go back", async (t) => {
  const { api, clock, watchAll } = await setUp(t);
  api.add("g1", { version: 5 });
  api.on(EVENTS, hangUp, { times: 1 });
  const told = watchAll();
  await clock.pass(1000);
  await until(() => told.updates.length === 1);
  await clock.pass(4000);
  await live(told);
  api.write(frame("generation", 9, { id: "g1", version: 4, status: "processing", progress: 1 }));
  api.change("g1", { progress: 60 });
  await until(() => told.updates.length === 2);
  assert.deepEqual(versions(told.updates), [5, 6]);
});

test("a watch of everything does not end by itself, unless it is told when", async (t) => {
  const { api, clock, watchAll } = await setUp(t);
  const [endless, ending] = [watchAll(), watchAll({ timeoutMs: 40_000 })];
  await live(endless);
  await live(ending);
  assert.ok(Math.max(...clock.waits) <= 45_000);
  await clock.pass(40_000);
  assert.deepEqual(codes(ending.errors), ["timeout"]);
  assert.deepEqual(endless.errors, []);
  await until(() => api.streams === 1);
});

test("a refusal ends a watch of everything", async (t) => {
  const { api, watchAll } = await setUp(t);
  api.on(EVENTS, problem(403, "forbidden"));
  const told = watchAll();
  await until(() => told.errors.length === 1);
  assert.deepEqual([told.errors[0].retryable, told.watch.mode], [false, "ended"]);
});

test("cancel ends a watch of everything in the middle of its events", async (t) => {
  const { api, watchAll } = await setUp(t);
  api.add("g1");
  const told = watchAll({ onUpdate: () => told.cancel() });
  await live(told);
  const event = (version) => frame("generation", version, { id: "g1", version, status: "completed", progress: 100 });
  api.write(event(2) + event(3));
  await until(() => told.updates.length === 1);
  await until(() => api.streams === 0);
  assert.deepEqual(told.names, ["onReady", "onUpdate"]);
});

test("watches of everything have their streams however many others there are", async (t) => {
  const { api, watch, watchAll } = await setUp(t, { maxStreams: 1 });
  api.add("g1");
  const one = watch("g1");
  const all = watchAll();
  await live(all);
  await until(() => one.watch.mode === "events");
});

// -- watchProject -----------------------------------------------------------------------------------------------------

test("a project's watch lists all pages, follows the events, and completes when all are final", async (t) => {
  const { api, watchProject } = await setUp(t);
  for (let n = 1; n <= 250; n++) api.add(`g${n}`, { project_id: "p1", status: n > 2 ? "completed" : "processing" });
  api.add("other", { project_id: "p2" });
  const counts = new Set();
  let last = [];
  const told = watchProject("p1", {
    onUpdate: (_, all) => counts.add(all.length),
    onComplete: (all) => (last = all),
  });
  await until(() => told.updates.length === 250);
  assert.deepEqual(api.to(LIST).map(({ query }) => query.cursor), [undefined, "100", "200"]);
  assert.deepEqual(told.completed, []);
  api.change("g1", { progress: 50 });
  api.change("g1", { status: "failed" });
  api.change("other", { status: "completed" });
  await until(() => told.updates.length === 252);
  api.change("g2", { status: "completed" });
  await until(() => told.completed.length === 1);
  assert.deepEqual([...counts], [250], "every update comes with all of them");
  assert.equal(last.length, 250);
  assert.ok(last.every(({ status }) => status !== "processing"));
  assert.equal(told.watch.mode, "ended");
  await until(() => api.streams === 0);
  assert.equal(api.requests.length, 4);
});

test("a project whose generations are all final completes at once, and so does one without any", async (t) => {
  const { api, watchProject } = await setUp(t);
  api.add("g1", { project_id: "p1", status: "cancelled" });
  const told = [watchProject("p1"), watchProject("nothing")];
  await until(() => told.every(({ completed }) => completed.length === 1));
  assert.deepEqual(told.map(({ completed }) => ids(completed[0])), [["g1"], []]);
});

test("an event that comes during the listing is neither lost nor set back by it", async (t) => {
  const { api, watchProject } = await setUp(t);
  api.add("g1", { project_id: "p1", version: 3, progress: 30 });
  const listed = deferred();
  api.on(LIST, async (asked, response) => {
    await listed.promise;
    json({ items: [{ id: "g1", version: 3, status: "processing", progress: 30 }], next: null })(asked, response);
  });
  const told = watchProject("p1");
  await until(() => api.to(LIST).length === 1);
  api.change("g1", { progress: 40 });
  api.add("g2", { project_id: "p1" });
  api.change("g2", { progress: 5 });
  await settle();
  assert.deepEqual(told.names, [], "nothing is told before all are known");
  listed.resolve();
  await until(() => told.updates.length === 2);
  assert.deepEqual(told.updates.map(({ id, version }) => [id, version]).sort(), [["g1", 4], ["g2", 2]]);
});

test("a listing that began before the stream did is done again when the stream is there", async (t) => {
  const { api, clock, watchProject } = await setUp(t);
  api.add("g1", { project_id: "p1" });
  const events = held();
  api.on(EVENTS, events.answer);
  const { answer, release } = held();
  api.on(LIST, answer);
  const told = watchProject("p1");
  await until(() => api.to(EVENTS).length === 1);
  await clock.pass(3000);
  await clock.pass(1000);
  await until(() => api.to(LIST).length === 1);
  events.release();
  await until(() => api.to(LIST).length === 2);
  release();
  await until(() => told.updates.length === 1);
  await settle();
  assert.equal(api.to(LIST).length, 2);
  assert.equal(told.watch.mode, "events");
});

test("a project completes by listing alone where there are no events", async (t) => {
  const { api, clock, watchProject } = await setUp(t);
  api.on(EVENTS, problem(503, "unavailable"));
  for (let n = 1; n <= 101; n++) api.add(`g${n}`, { project_id: "p1", status: n > 1 ? "completed" : "processing" });
  const told = watchProject("p1");
  await clock.pass(1000);
  await until(() => told.updates.length === 101);
  assert.deepEqual(told.completed, []);
  api.change("g1", { status: "completed" }); // on the second page
  await clock.pass(10_000);
  await until(() => told.completed.length === 1);
  assert.deepEqual(codes(told.errors), ["unavailable"]);
});

test("a listing that fails is tried again, while events go on", async (t) => {
  const { api, clock, watchProject } = await setUp(t);
  api.add("g1", { project_id: "p1" });
  api.on(LIST, problem(503, "unavailable", { retryAfter: 12 }), { times: 1 });
  const told = watchProject("p1");
  await until(() => told.errors.length === 1);
  assert.equal(told.watch.mode, "events");
  await clock.pass(12_000);
  await until(() => told.updates.length === 1);
  assert.equal(api.to(EVENTS).length, 1);
});

test("when the stream resumes nothing is listed; when it cannot, all are, before the project can complete", async (t) => {
  const { api, clock, watchProject } = await setUp(t);
  api.add("g1", { project_id: "p1" });
  const told = watchProject("p1");
  await until(() => told.updates.length === 1);
  api.endStreams();
  await clock.pass(1000);
  await until(() => api.to(LIST).length === 2);
  await clock.pass(4000);
  await until(() => told.watch.mode === "events");
  api.change("g1", { progress: 5 });
  await until(() => told.updates.length === 2);
  assert.equal(api.to(LIST).length, 2, "resumed");
  api.canResume = false;
  const { answer, release } = held();
  api.on(LIST, answer);
  api.endStreams();
  await until(() => told.watch.mode === "polling");
  api.add("g2", { project_id: "p1" });
  clock.advance(10_000);
  await until(() => told.watch.mode === "events" && api.streams === 1);
  await until(() => api.to(LIST).length >= 3);
  api.change("g1", { status: "completed" });
  await until(() => told.updates.length === 3);
  assert.deepEqual(told.completed, [], "there is one more");
  release();
  await until(() => told.updates.length === 4);
  assert.equal(told.updates[3].id, "g2");
  api.change("g2", { status: "completed" });
  await until(() => told.completed.length === 1);
});

test("a project's watch ends after 24 hours, or when it is told to", async (t) => {
  const { api, clock, watchProject } = await setUp(t);
  api.add("g1", { project_id: "p1" });
  const told = [watchProject("p1"), watchProject("p1", { timeoutMs: 40_000 })];
  await until(() => told.every(({ updates }) => updates.length === 1));
  assert.ok(clock.waits.includes(86_400_000));
  await clock.pass(40_000);
  assert.deepEqual(told.map(({ errors }) => codes(errors)), [[], ["timeout"]]);
});

test("a refusal ends a project's watch, also when it comes from the list", async (t) => {
  const { api, watchProject } = await setUp(t);
  api.on(LIST, problem(401, "unauthorized"));
  const told = watchProject("p1");
  await until(() => told.errors.length === 1);
  assert.equal(told.watch.mode, "ended");
  await until(() => api.streams === 0);
});

function deferred() {
  let resolve;
  const promise = new Promise((settle) => (resolve = settle));
  return { promise, resolve };
}
