import assert from "node:assert/strict";
import test from "node:test";

import { VidpollError } from "../../vidpoll/api/page/vidpoll.js";
import { FakeProject } from "./fake_projects.mjs";
import { hangUp, heldBack, held, json, problem } from "./fake_api.mjs";
import { codes, pauses, settle, setUp, until, versions } from "./support.mjs";

const EVENTS = /GET \/v1\/events$/;
const LIONS = { name: "lions", steps: [{ key: "dawn", provider: "runware", model: "google:3@3", prompt: "a lion" }] };
const ADMITTED = { project_id: "p1", status: "running", new: true };

const stages = (projects) => projects.map(({ stage }) => stage);

// -- calls ------------------------------------------------------------------------------------------------------------

test("a project is sent as it is, and no key is made up: its steps make one", async (t) => {
  const { api, client } = await setUp(t);
  api.on(/POST \/v1\/projects$/, json(ADMITTED, { status: 202 }));
  assert.deepEqual(await client.submitProject(LIONS), ADMITTED);
  await client.submitProject(LIONS, { idempotencyKey: "lions-1" });
  assert.deepEqual(JSON.parse(api.requests[0].body), LIONS);
  assert.deepEqual(api.requests.map(({ headers }) => headers["idempotency-key"]), [undefined, "lions-1"]);
});

test("a submit that gets no answer is repeated", async (t) => {
  const { api, clock, client } = await setUp(t);
  api.on(/POST \/v1\/projects$/, json(ADMITTED, { status: 202 }));
  api.on(/POST \/v1\/projects$/, hangUp, { times: 1 });
  const submitted = client.submitProject(LIONS);
  await clock.pass(1000);
  assert.deepEqual(await submitted, ADMITTED);
});

test("everything that is wrong with a project is told at once", async (t) => {
  const { api, client } = await setUp(t);
  const errors = ["max_parallel: must be at least 1", "steps.dawn.model: there is no such model here"];
  api.on(/POST \/v1\/projects$/, problem(422, "invalid_request", { errors }));
  await assert.rejects(client.submitProject(LIONS), (error) => {
    assert.ok(error instanceof VidpollError);
    assert.deepEqual([error.code, error.errors, error.retryable], ["invalid_request", errors, false]);
    return true;
  });
});

test("projects are read, listed and cancelled", async (t) => {
  const { api, client } = await setUp(t);
  const list = { items: [{ project_id: "p1", name: "lions" }], next: "c2" };
  api.on(/GET \/v1\/projects$/, json(list));
  api.on(/POST \/v1\/projects\/p1\/cancel$/, json({ project_id: "p1", status: "running" }, { status: 202 }));
  const project = new FakeProject(api);
  assert.equal((await client.project("p1")).name, "lions");
  assert.deepEqual(await client.listProjects({ cursor: "c1", limit: 10 }), list);
  assert.deepEqual(await client.listProjects(), list);
  assert.deepEqual(await client.cancelProject("p1"), { project_id: "p1", status: "running" });
  assert.equal(project.asked.length, 1);
  assert.deepEqual(api.to(/GET \/v1\/projects$/).map(({ query }) => query), [{ cursor: "c1", limit: "10" }, {}]);
});

test("a retry is asked for once, also when no answer comes: what failed again meanwhile would be paid again", async (t) => {
  const { api, client } = await setUp(t);
  api.on(/POST \/v1\/projects\/p1\/retry$/, json({ project_id: "p1", status: "running", retried: ["dawn"] }, { status: 202 }));
  assert.deepEqual((await client.retryProject("p1")).retried, ["dawn"]);
  api.on(/POST \/v1\/projects\/p1\/retry$/, hangUp);
  await assert.rejects(client.retryProject("p1"), { code: "network" });
  assert.equal(api.requests.length, 2);
});

test("what is no id is refused before anything is sent", async (t) => {
  const { api, client } = await setUp(t);
  for (const call of [() => client.project("../key"), () => client.retryProject(""), () => client.cancelProject("a/b")]) {
    await assert.rejects(call, TypeError);
  }
  assert.throws(() => client.followProject("../key", {}), TypeError);
  assert.deepEqual(api.requests, []);
});

// -- followProject ----------------------------------------------------------------------------------------------------

test("a project is followed by the events of its generations, those of 0.3 seconds being one question", async (t) => {
  const { api, clock, followProject } = await setUp(t);
  const project = new FakeProject(api);
  const told = followProject("p1");
  await until(() => told.updates.length === 1);
  assert.equal(told.watch.mode, "events");
  assert.deepEqual(api.to(EVENTS).map(({ query }) => query), [{ project: "p1" }]);
  project.change({ stage: "dawn" });
  project.changeStep({ progress: 10 });
  project.changeStep({ progress: 20 });
  await clock.pass(300);
  await until(() => told.updates.length === 2);
  assert.deepEqual([told.updates[1].stage, told.updates[1].progress], ["dawn", 20]);
  assert.deepEqual(project.asked.map(({ headers }) => headers["if-none-match"]), [undefined, 'W/"1.0"']);
  project.change({ status: "completed", progress: 100 });
  await clock.pass(300);
  await until(() => told.completed.length === 1);
  assert.deepEqual(told.names, ["onUpdate", "onUpdate", "onUpdate", "onComplete"]);
  assert.equal(told.watch.mode, "ended");
  await until(() => api.streams === 0);
});

test("what no event tells is seen all the same, by asking ever more rarely, and nothing is told when nothing changed", async (t) => {
  const { api, clock, followProject } = await setUp(t);
  const project = new FakeProject(api);
  const told = followProject("p1");
  await until(() => told.updates.length === 1);
  await clock.pass(2000);
  await clock.pass(5000);
  await until(() => project.asked.length === 3);
  project.change({ status: "completed" }, { loudly: false });
  await clock.pass(5000);
  await until(() => told.completed.length === 1);
  assert.deepEqual(pauses(project.asked), [2000, 5000, 5000]);
  assert.deepEqual(versions(told.updates), [1, 2]);
  assert.equal(told.watch.mode, "ended");
});

test("it is not asked for sooner than the server says", async (t) => {
  const { api, clock, followProject } = await setUp(t);
  const project = new FakeProject(api);
  project.retryAfter = 20;
  const told = followProject("p1");
  await until(() => told.updates.length === 1);
  await clock.pass(20_000);
  await until(() => project.asked.length === 2);
  assert.deepEqual(pauses(project.asked), [20_000]);
});

test("without events it is polled, and events are tried again", async (t) => {
  const { api, clock, followProject } = await setUp(t);
  const allow = api.on(EVENTS, problem(503, "unavailable"));
  const project = new FakeProject(api);
  const told = followProject("p1");
  await clock.pass(1000);
  await until(() => told.updates.length === 1);
  assert.equal(told.watch.mode, "polling");
  project.change({ stage: "dawn" });
  await clock.pass(2000);
  await until(() => told.updates.length === 2);
  allow();
  await clock.pass(2000);
  await until(() => told.watch.mode === "events");
  assert.deepEqual(codes(told.errors), ["unavailable"]);
  assert.ok(told.errors[0].retryable);
});

test("a stream that a proxy holds back does not keep it from being shown", async (t) => {
  const { api, clock, followProject } = await setUp(t);
  api.on(EVENTS, heldBack);
  new FakeProject(api);
  const told = followProject("p1");
  await clock.pass(3000);
  await clock.pass(1000);
  await until(() => told.updates.length === 1);
  assert.equal(told.watch.mode, "polling");
});

test("events that come during a question are followed by another, and the first is not dropped", async (t) => {
  const { api, clock, followProject } = await setUp(t);
  const project = new FakeProject(api);
  const told = followProject("p1");
  await until(() => told.updates.length === 1);
  const { answer, release } = held();
  const usual = [];
  api.on(project.path, async (asked, response) => {
    await answer.call({ usual: () => usual.push(asked) }, asked, response);
    json({ project_id: "p1", name: "lions", status: "running", stage: "first", version: 2, steps: [] }, { headers: { ETag: 'W/"2.0"' } })(asked, response);
  }, { times: 1 });
  project.stir();
  await clock.pass(300);
  await until(() => project.asked.length === 2);
  project.change({ stage: "second" });
  project.change({ stage: "third" });
  await clock.pass(300);
  await settle();
  assert.equal(project.asked.length, 2, "one question at a time");
  release();
  await until(() => told.updates.length === 2);
  await clock.pass(300);
  await until(() => told.updates.length === 3);
  assert.deepEqual(stages(told.updates), ["waiting to start", "first", "third"]);
});

test("versions never go back, neither the project's nor those of its steps", async (t) => {
  const { api, clock, followProject } = await setUp(t);
  const project = new FakeProject(api);
  const told = followProject("p1");
  project.change({}, { loudly: false });
  await until(() => told.updates.length === 1);
  project.changeStep({ progress: 50 });
  await clock.pass(300);
  await until(() => told.updates.length === 2);
  project.goBack();
  project.changeStep({ progress: 40 });
  await clock.pass(300);
  await until(() => project.asked.length === 3);
  await settle();
  assert.deepEqual(told.updates.map(({ progress }) => progress), [0, 50]);
});

test("where a proxy drops the ETag, what is the same is not told twice", async (t) => {
  const { api, clock, followProject } = await setUp(t);
  const bodies = ["a", "a", "b"].map((stage) => ({ project_id: "p1", status: "running", stage, version: 3, steps: [] }));
  for (const body of bodies.reverse()) api.on(/GET \/v1\/projects\/p1$/, json(body), { times: 1 });
  const told = followProject("p1");
  await until(() => told.updates.length === 1);
  await clock.pass(2000);
  await clock.pass(5000);
  await until(() => told.updates.length === 2);
  assert.deepEqual(stages(told.updates), ["a", "b"]);
});

test("a document that cannot be had is asked for again, not sooner for the events that come, and told once", async (t) => {
  const { api, clock, followProject } = await setUp(t);
  const project = new FakeProject(api);
  const told = followProject("p1");
  await until(() => told.updates.length === 1);
  api.on(project.path, problem(503, "unavailable", { retryAfter: 8 }), { times: 2 });
  project.change({ stage: "dawn" });
  await clock.pass(300);
  await until(() => told.errors.length === 1);
  project.stir();
  await clock.pass(300);
  await settle();
  assert.equal(project.asked.length, 2);
  await clock.pass(7700);
  await clock.pass(8000);
  await until(() => told.updates.length === 2);
  assert.deepEqual(codes(told.errors), ["unavailable"]);
  assert.equal(told.watch.mode, "events");
});

for (const [status, code] of [[401, "unauthorized"], [403, "forbidden"], [404, "not_found"], [422, "invalid_request"]]) {
  test(`a ${status} ends it`, async (t) => {
    const { api, followProject } = await setUp(t);
    api.on(/GET \/v1\/projects\/p1$/, problem(status, code));
    const told = followProject("p1");
    await until(() => told.errors.length === 1);
    assert.deepEqual([told.errors[0].code, told.errors[0].retryable, told.watch.mode], [code, false, "ended"]);
    await until(() => api.streams === 0);
  });
}

test("an answer that is no project is told, and it is asked for again", async (t) => {
  const { api, clock, followProject } = await setUp(t);
  new FakeProject(api);
  api.on(/GET \/v1\/projects\/p1$/, json({}), { times: 1 });
  const told = followProject("p1");
  await until(() => told.errors.length === 1);
  await clock.pass(2000);
  await until(() => told.updates.length === 1);
  assert.deepEqual(codes(told.errors), ["bad_answer"]);
});

test("everybody who follows the same shares its stream, and is told how it stands", async (t) => {
  const { api, clock, followProject } = await setUp(t);
  const project = new FakeProject(api);
  const first = followProject("p1");
  await until(() => first.updates.length === 1);
  const second = followProject("p1");
  await until(() => second.updates.length === 1);
  first.cancel();
  project.change({ status: "failed" });
  await clock.pass(300);
  await until(() => second.completed.length === 1);
  assert.deepEqual([first.names, api.to(EVENTS).length], [["onUpdate"], 1]);
});

test("one that has ended is told at once; after a retry it is followed anew", async (t) => {
  const { api, clock, followProject } = await setUp(t);
  const project = new FakeProject(api);
  project.change({ status: "failed" }, { loudly: false });
  const ended = followProject("p1");
  await until(() => ended.completed.length === 1);
  project.change({ status: "running" }, { loudly: false });
  const anew = followProject("p1");
  await until(() => anew.updates.length === 1);
  project.change({ status: "completed" });
  await clock.pass(300);
  await until(() => anew.completed.length === 1);
  assert.deepEqual([ended.updates.length, anew.updates.length], [1, 2]);
});

test("it polls when there are as many streams as there may be", async (t) => {
  const { api, clock, watch, followProject } = await setUp(t, { maxStreams: 1 });
  api.add("g1");
  new FakeProject(api);
  const one = watch("g1");
  await until(() => one.watch.mode === "events");
  const told = followProject("p1");
  await clock.pass(1000);
  await until(() => told.updates.length === 1);
  assert.equal(told.watch.mode, "polling");
});

test("it ends when its time is up, and when it is cancelled in the middle of its events", async (t) => {
  const { api, clock, followProject } = await setUp(t);
  const project = new FakeProject(api);
  const [ending, cancelled] = [followProject("p1", { timeoutMs: 4000 }), followProject("p1")];
  await until(() => cancelled.updates.length === 1);
  project.stir();
  await until(() => clock.waits.includes(300));
  cancelled.cancel();
  clock.advance(4000);
  await until(() => ending.errors.length === 1);
  assert.deepEqual(codes(ending.errors), ["timeout"]);
  await until(() => api.streams === 0);
});
