import assert from "node:assert/strict";
import test from "node:test";

import { frame, held, KEY, problem, stream } from "./fake_api.mjs";
import { codes, settle, setUp, until, versions } from "./support.mjs";

const DAY_MS = 86_400_000;

test("a watch tells first how the generation stands, then every change, then that it is complete", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1", { version: 3, progress: 10 });
  const told = watch("g1");
  assert.equal(told.watch.mode, "connecting");
  await until(() => told.updates.length === 1);
  assert.equal(told.watch.mode, "events");
  api.change("g1", { progress: 60 });
  api.change("g1", { status: "completed", progress: 100, video_url: "https://videos/1.mp4" });
  await until(() => told.completed.length === 1);
  assert.deepEqual(versions(told.updates), [3, 4, 5]);
  assert.deepEqual(told.names, ["onUpdate", "onUpdate", "onUpdate", "onComplete"]);
  assert.equal(told.completed[0].video_url, "https://videos/1.mp4");
  assert.equal(told.watch.mode, "ended");
  assert.equal(api.requests.length, 1);
});

for (const status of ["completed", "failed", "cancelled"]) {
  test(`a generation that is ${status} when the watch begins completes it`, async (t) => {
    const { api, watch } = await setUp(t);
    api.add("g1", { status });
    const told = watch("g1");
    await until(() => told.completed.length === 1);
    assert.deepEqual(told.names, ["onUpdate", "onComplete"]);
    assert.equal(told.completed[0].status, status);
  });
}

for (const status of ["pending", "submitting", "processing", "unknown"]) {
  test(`a generation that is ${status} does not complete the watch`, async (t) => {
    const { api, watch } = await setUp(t);
    api.add("g1", { status });
    const told = watch("g1");
    await until(() => told.updates.length === 1);
    await settle();
    assert.equal(told.watch.mode, "events");
    assert.deepEqual(told.completed, []);
  });
}

test("an event that is not newer than what is known is ignored", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1", { version: 5, progress: 50 });
  const told = watch("g1");
  await until(() => told.updates.length === 1);
  for (const version of [5, 4, 6]) {
    api.write(frame("generation", version, { id: "g1", version, kind: "progress", status: "processing", progress: version * 10 }));
  }
  await until(() => told.updates.length > 1);
  assert.deepEqual(told.updates.map(({ progress }) => progress), [50, 60]);
});

test("what an event is silent about stays as it was, but for the error", async (t) => {
  const { api, watch } = await setUp(t);
  const error = { code: "timed_out", message: "no answer", retryable: true };
  api.add("g1", { version: 1, status: "unknown", progress: 40, stage: "rendering", project_id: "p1", error });
  const told = watch("g1");
  await until(() => told.updates.length === 1);
  api.write(frame("generation", 2, { id: "g1", version: 2, kind: "found", status: "processing", error: null }));
  await until(() => told.updates.length === 2);
  assert.deepEqual(told.updates[1], {
    id: "g1", version: 2, kind: "found", status: "processing", progress: 40, stage: "rendering", project_id: "p1",
  });
});

test("callbacks get objects that cannot be changed, so that watchers do not disturb each other", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1");
  const told = watch("g1");
  await until(() => told.updates.length === 1);
  assert.ok(Object.isFrozen(told.updates[0]));
});

test("events of other types are ignored", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1");
  const told = watch("g1");
  await until(() => told.updates.length === 1);
  api.write("event: weather\ndata: not even JSON\n\n");
  api.change("g1", { progress: 10 });
  await until(() => told.updates.length === 2);
  assert.deepEqual(told.errors, []);
});

test("watchers of one id share one connection", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1");
  const all = [watch("g1"), watch("g1"), watch("g1")];
  await until(() => all.every(({ updates }) => updates.length === 1));
  api.change("g1", { status: "completed" });
  await until(() => all.every(({ completed }) => completed.length === 1));
  assert.equal(api.requests.length, 1);
});

test("one who joins a watch is told at once, and once, how it stands", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1", { version: 7 });
  const first = watch("g1");
  await until(() => first.updates.length === 1);
  const second = watch("g1");
  assert.deepEqual(second.updates, [], "not before the watch is returned");
  await until(() => second.updates.length === 1);
  api.change("g1", { progress: 9 });
  await until(() => second.updates.length === 2);
  assert.deepEqual(versions(second.updates), [7, 8]);
  assert.deepEqual(versions(first.updates), [7, 8]);
  assert.equal(api.requests.length, 1);
});

test("one who joins in a callback is told the version of that callback once", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1", { version: 7 });
  let second;
  const first = watch("g1", { onUpdate: () => (second ??= watch("g1")) });
  await until(() => second?.updates.length);
  await settle();
  assert.deepEqual(versions(first.updates), [7]);
  assert.deepEqual(versions(second.updates), [7]);
});

test("one who joins between two events that came together is told the later one once", async (t) => {
  const { api, watch } = await setUp(t);
  const event = (version) => frame("generation", version, { id: "g1", version, status: "processing", progress: version });
  api.on(/events/, stream(event(1) + event(2)));
  let second;
  const first = watch("g1", { onUpdate: () => (second ??= watch("g1")) });
  await until(() => first.updates.length === 2);
  await settle();
  assert.deepEqual(versions(second.updates), [2]);
});

test("one who joins and cancels at once is told nothing", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1");
  const first = watch("g1");
  await until(() => first.updates.length === 1);
  const second = watch("g1");
  second.cancel();
  await settle();
  assert.deepEqual(second.names, []);
});

test("the connection is closed when the last watcher cancels, not before", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1");
  const [first, second] = [watch("g1"), watch("g1")];
  await until(() => second.updates.length === 1);
  first.cancel();
  first.cancel();
  assert.equal(first.watch.mode, "ended");
  api.change("g1", { progress: 10 });
  await until(() => second.updates.length === 2);
  assert.equal(api.streams, 1);
  assert.equal(first.updates.length, 1);
  second.cancel();
  await until(() => api.streams === 0);
});

test("nothing is called after a cancel, not even for an event that came with the one before", async (t) => {
  const { api, watch } = await setUp(t);
  const event = (version, status) => frame("generation", version, { id: "g1", version, status, progress: 0 });
  api.on(/events/, stream(event(1, "processing") + event(2, "processing") + event(3, "completed")));
  const told = watch("g1", { onUpdate: () => told.cancel() });
  await until(() => told.updates.length === 1);
  await settle();
  assert.deepEqual(told.names, ["onUpdate"]);
  assert.deepEqual(versions(told.updates), [1]);
});

test("a watcher that cancels another one keeps it from being called", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1");
  const first = watch("g1", { onUpdate: () => second.cancel() });
  const second = watch("g1");
  await until(() => first.updates.length === 1);
  await settle();
  assert.deepEqual(second.names, []);
});

test("a cancel on the last update keeps the watch from completing", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1", { status: "completed" });
  const told = watch("g1", { onUpdate: () => told.cancel() });
  await until(() => told.updates.length === 1);
  await settle();
  assert.deepEqual(told.names, ["onUpdate"]);
});

test("a cancel aborts a request that was not answered yet, and says nothing of it", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1");
  api.on(/events/, held().answer);
  const told = watch("g1");
  await until(() => api.open.get("GET /v1/generations/g1/events") === 1);
  told.cancel();
  await until(() => api.open.get("GET /v1/generations/g1/events") === 0);
  await settle();
  assert.deepEqual(told.names, []);
});

test("a callback that throws or rejects is reported, and breaks neither its own watch nor others", async (t) => {
  const { api, watch } = await setUp(t);
  const reported = t.mock.method(console, "error", () => {});
  api.add("g1");
  const throwing = watch("g1", {
    onUpdate: () => {
      throw new Error("mine");
    },
    onComplete: async () => {
      throw new Error("mine too");
    },
  });
  const other = watch("g1");
  await until(() => other.updates.length === 1);
  api.change("g1", { status: "completed" });
  await until(() => throwing.completed.length === 1 && other.completed.length === 1);
  assert.equal(throwing.updates.length, 2);
  await until(() => reported.mock.callCount() === 3);
  assert.deepEqual(reported.mock.calls.map(({ arguments: [, error] }) => error.message), ["mine", "mine", "mine too"]);
  assert.equal(api.requests.length, 1);
});

test("a watch needs no callbacks", async (t) => {
  const { api, client } = await setUp(t);
  api.add("g1", { status: "completed" });
  const watch = client.watch("g1", {});
  await until(() => watch.mode === "ended");
});

test("cancel works without the object it came with", async (t) => {
  const { api, client } = await setUp(t);
  api.add("g1");
  const { cancel } = client.watch("g1", {});
  await until(() => api.streams === 1);
  cancel();
  await until(() => api.streams === 0);
});

test("an id can be watched again, also by the callback that was told of the end", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1", { status: "completed" });
  let again;
  watch("g1", { onComplete: () => (again = watch("g1")) });
  await until(() => again?.completed.length === 1);
  assert.deepEqual(again.names, ["onUpdate", "onComplete"]);
  assert.equal(api.requests.length, 2);
});

for (const name of ["onUpdate", "onComplete"]) {
  test(`an id that is watched again in the last ${name} is a watch of its own, which others share`, async (t) => {
    const { api, watch } = await setUp(t);
    api.add("g1", { status: "completed" });
    const { answer, release } = held();
    let again;
    const both = [watch("g1", { [name]: () => startAgain() }), watch("g1")];
    function startAgain() {
      api.on(/events/, answer);
      again ??= watch("g1");
    }
    await until(() => both.every(({ completed }) => completed.length === 1));
    assert.deepEqual(again.names, []);
    const another = watch("g1");
    await until(() => api.requests.length === 2);
    release();
    await until(() => another.completed.length === 1);
    assert.deepEqual([again.names, another.names], [["onUpdate", "onComplete"], ["onUpdate", "onComplete"]]);
    assert.equal(api.requests.length, 2);
  });
}

test("an id that is watched again when its watch is refused is asked for again", async (t) => {
  const { api, watch } = await setUp(t);
  let again;
  const both = [watch("g1", { onError: () => (again ??= watch("g1")) }), watch("g1")];
  await until(() => again?.errors.length === 1);
  assert.deepEqual(both.map(({ names }) => names), [["onError"], ["onError"]]);
  assert.equal(api.requests.length, 2);
});

test("an id can be watched again after its watch was cancelled", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1");
  const first = watch("g1");
  first.cancel();
  const second = watch("g1");
  await until(() => second.updates.length === 1);
  assert.deepEqual(first.names, []);
  assert.equal(second.watch.mode, "events");
});

test("a watch that runs out of time ends with an error that is not retryable; others of the same id go on", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  const hasty = watch("g1", { timeoutMs: 20_000 });
  const patient = watch("g1");
  await until(() => patient.updates.length === 1);
  await clock.pass(20_000);
  assert.deepEqual(codes(hasty.errors), ["timeout"]);
  assert.equal(hasty.errors[0].retryable, false);
  assert.equal(hasty.watch.mode, "ended");
  api.change("g1", { progress: 10 });
  await until(() => patient.updates.length === 2);
  assert.equal(hasty.updates.length, 1);
  assert.deepEqual(patient.errors, []);
});

test("the time also runs out while nothing can be reached, and then nothing is asked any more", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.on(/./, problem(503, "unavailable"));
  const told = watch("g1", { timeoutMs: 800 });
  await until(() => told.errors.length === 1);
  clock.advance(800);
  assert.deepEqual(codes(told.errors), ["unavailable", "timeout"]);
  clock.advance(120_000);
  await settle();
  assert.equal(api.requests.length, 1);
});

test("without a timeout a watch ends after 24 hours", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  const told = watch("g1");
  await until(() => told.updates.length === 1);
  assert.ok(clock.waits.includes(DAY_MS));
});

test("a timeout longer than a timer can wait is no timeout, not an immediate one", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  const told = watch("g1", { timeoutMs: 2 ** 31 });
  await until(() => told.updates.length === 1);
  assert.ok(Math.max(...clock.waits) < 2 ** 31 - 1);
});

for (const [status, code] of [[401, "unauthorized"], [403, "forbidden"], [404, "not_found"], [422, "invalid_request"]]) {
  test(`a ${status} on the stream ends the watch`, async (t) => {
    const { api, watch } = await setUp(t);
    api.on(/events/, problem(status, code));
    const both = [watch("g1"), watch("g1")];
    for (const told of both) {
      await until(() => told.errors.length === 1);
      assert.equal(told.errors[0].code, code);
      assert.equal(told.errors[0].status, status);
      assert.equal(told.errors[0].retryable, false);
      assert.deepEqual(told.names, ["onError"]);
      assert.equal(told.watch.mode, "ended");
    }
    assert.equal(api.requests.length, 1);
  });

  test(`a ${status} on a poll ends the watch`, async (t) => {
    const { api, clock, watch } = await setUp(t);
    api.on(/events/, problem(503, "unavailable"));
    api.on(/status/, problem(status, code));
    const told = watch("g1");
    await clock.pass(1000);
    await until(() => told.errors.length === 2);
    assert.deepEqual(codes(told.errors), ["unavailable", code]);
    assert.equal(told.errors[1].retryable, false);
    assert.equal(told.watch.mode, "ended");
  });
}

test("an id that was not there can be watched again", async (t) => {
  const { api, watch } = await setUp(t);
  const first = watch("g1");
  await until(() => first.errors.length === 1);
  api.add("g1");
  const second = watch("g1");
  await until(() => second.updates.length === 1);
});

test("four watches have streams, the fifth polls until one of them ends", async (t) => {
  const { api, clock, watch } = await setUp(t);
  for (const id of ["g1", "g2", "g3", "g4", "g5"]) api.add(id);
  const first = ["g1", "g2", "g3", "g4"].map((id) => watch(id));
  const fifth = watch("g5");
  assert.equal(fifth.watch.mode, "polling");
  await until(() => first.every(({ updates }) => updates.length === 1));
  await clock.pass(1000);
  await until(() => fifth.updates.length === 1);
  assert.equal(api.streams, 4);
  first[0].cancel();
  await until(() => api.streams === 3);
  await clock.pass(2000);
  await clock.pass(2000); // 5 s since the fifth found no room
  await until(() => fifth.watch.mode === "events");
  assert.deepEqual(fifth.errors, []);
});

test("how many streams there may be can be set", async (t) => {
  const { api, watch } = await setUp(t, { maxStreams: 1 });
  api.add("g1");
  api.add("g2");
  const told = [watch("g1"), watch("g2")];
  await until(() => told[0].updates.length === 1);
  assert.deepEqual(told.map(({ watch }) => watch.mode), ["events", "polling"]);
});

test("no callback is called before the watch is returned, even when fetch fails at once", async (t) => {
  const { watch } = await setUp(t, {
    fetch: () => {
      throw new TypeError("blocked");
    },
  });
  const told = watch("g1");
  assert.deepEqual(told.names, []);
  await until(() => told.errors.length === 1);
  assert.deepEqual(codes(told.errors), ["network"]);
});

test("the key goes into the Authorization header and nowhere else", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1");
  const told = watch("g1");
  await until(() => told.updates.length === 1);
  const [{ headers, url }] = api.requests;
  assert.equal(headers.authorization, `Bearer ${KEY}`);
  assert.equal(headers.accept, "text/event-stream");
  assert.ok(!url.includes(KEY));
});
