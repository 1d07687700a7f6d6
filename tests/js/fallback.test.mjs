import assert from "node:assert/strict";
import test from "node:test";

import { frame, hangUp, held, heldBack, json, noAnswer, page, problem, stream } from "./fake_api.mjs";
import { codes, pauses, settle, setUp, until, versions } from "./support.mjs";

const STATUS = /GET .*\/g1\/status$/;
const EVENTS = /GET .*\/g1\/events$/;
/** Keeps streams away for a minute, and has no say about polls. */
const full = problem(429, "too_many_streams", { retryAfter: 60 });

/** Lets the watch poll: waits so long, and for the answer. */
async function poll({ api, clock }, waitMs) {
  const before = api.to(STATUS).length;
  await clock.pass(waitMs);
  await until(() => api.to(STATUS).length > before);
}

test("while there are no events it polls after 1, 2 and 5 seconds, then every 10", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  api.on(EVENTS, full);
  const told = watch("g1");
  for (const waitMs of [1000, 2000, 5000, 10_000, 10_000, 10_000]) await poll({ api, clock }, waitMs);
  assert.deepEqual(pauses([...api.to(EVENTS), ...api.to(STATUS)]), [1000, 2000, 5000, 10_000, 10_000, 10_000]);
  assert.equal(told.watch.mode, "polling");
  assert.deepEqual(versions(told.updates), [1]);
});

test("a stream that broke off is polled for as well, and told once", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  const told = watch("g1");
  await until(() => told.updates.length === 1);
  api.on(EVENTS, hangUp);
  api.endStreams();
  await until(() => told.watch.mode === "polling");
  api.change("g1", { progress: 10 });
  await poll({ api, clock }, 1000);
  await until(() => told.updates.length === 2);
  assert.deepEqual(codes(told.errors), ["network"]);
  assert.ok(told.errors[0].retryable);
});

for (const [why, answer, code] of [
  ["answers 503", problem(503, "unavailable"), "unavailable"],
  ["answers 500", problem(500, "internal_error"), "internal_error"],
  ["answers 429", problem(429, "rate_limited"), "rate_limited"],
  ["answers 405", problem(405, "method_not_allowed"), "method_not_allowed"],
  ["hangs up", hangUp, "network"],
  ["answers with a proxy's error", page(502), "http_502"],
  ["answers with a proxy's page", page(200), "bad_answer"],
  ["redirects", (_, response) => response.writeHead(302, { Location: "/elsewhere" }).end(), "network"],
]) {
  test(`a server that ${why} instead of a stream is polled, until the generation is complete`, async (t) => {
    const { api, clock, watch } = await setUp(t);
    api.add("g1", { status: "completed", version: 4 });
    api.on(EVENTS, answer);
    const told = watch("g1");
    await until(() => told.errors.length === 1);
    assert.equal(told.errors[0].code, code);
    assert.equal(told.errors[0].retryable, true);
    await poll({ api, clock }, 1000);
    await until(() => told.completed.length === 1);
    assert.deepEqual(told.names, ["onError", "onUpdate", "onComplete"]);
    assert.equal(told.watch.mode, "ended");
    assert.equal(told.completed[0].version, 4);
    assert.deepEqual(api.to(/elsewhere/), []);
  });
}

test("a server that is not there is polled for", async (t) => {
  const { api, clock, watch } = await setUp(t);
  await api.stop();
  const told = watch("g1");
  await until(() => told.errors.length === 1);
  await clock.pass(1000);
  await clock.pass(2000);
  await api.start();
  api.add("g1");
  await clock.pass(2000); // the stream, 5 s after it failed
  await until(() => told.watch.mode === "events");
  assert.deepEqual(codes(told.errors), ["network"]);
});

test("a proxy that holds the stream back is polled beside it, and the stream is given up after 45 seconds", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  api.on(EVENTS, heldBack);
  const told = watch("g1");
  await until(() => api.to(EVENTS).length === 1);
  await clock.pass(3000);
  assert.equal(told.watch.mode, "polling");
  for (const waitMs of [1000, 2000, 5000, 10_000, 10_000, 10_000]) await poll({ api, clock }, waitMs);
  assert.deepEqual(told.names, ["onUpdate"]);
  await clock.pass(4000); // 45 s in all
  await until(() => told.errors.length === 1);
  assert.deepEqual(codes(told.errors), ["stalled"]);
  await until(() => api.open.get("GET /v1/generations/g1/events") === 0);
});

test("a stream that is not even answered is given up after 45 seconds", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.on(EVENTS, noAnswer);
  const told = watch("g1");
  await until(() => api.to(EVENTS).length === 1);
  await clock.pass(45_000);
  await until(() => told.errors.length === 1);
  assert.deepEqual(codes(told.errors), ["stalled"]);
});

test("a stream that gives no byte for 45 seconds is broken; heartbeats keep it", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  const told = watch("g1");
  await until(() => told.updates.length === 1);
  for (let beats = 0; beats < 4; beats++) {
    clock.advance(44_000);
    api.write(": heartbeat\n\n");
    await until(() => clock.waits[0] === 45_000);
  }
  assert.deepEqual(told.errors, []);
  clock.advance(44_999);
  assert.equal(told.watch.mode, "events");
  clock.advance(1);
  await until(() => told.errors.length === 1);
  assert.equal(told.watch.mode, "polling");
  assert.deepEqual(codes(told.errors), ["stalled"]);
  await until(() => api.streams === 0);
});

test("a 204 ends the stream for good, and the final state is read", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1", { status: "failed" });
  api.on(EVENTS, (_, response) => response.writeHead(204).end());
  const told = watch("g1");
  await until(() => told.watch.mode === "polling");
  assert.deepEqual(clock.waits, [1000, 86_400_000], "the stream is not to be tried again");
  await clock.pass(1000);
  await until(() => told.completed.length === 1);
  assert.deepEqual(told.errors, []);
});

// -- polls ------------------------------------------------------------------------------------------------------------

test("Retry-After is the least wait between polls, up to a minute, and shortens none", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  api.on(EVENTS, full);
  const retryAfters = ["7", "3", "0", "600", "33", "-1", "soon", "1"];
  let polls = 0;
  api.on(STATUS, (_, response) => {
    response.writeHead(200, { ETag: 'W/"1"', "Retry-After": retryAfters[polls++] });
    response.end(JSON.stringify({ id: "g1", status: "processing", progress: 0 }));
  });
  watch("g1");
  for (const waitMs of [1000, 7000, 5000, 10_000]) await poll({ api, clock }, waitMs);
  api.on(EVENTS, noAnswer); // the stream's turn comes within the minute
  for (const waitMs of [60_000, 33_000, 10_000, 10_000]) await poll({ api, clock }, waitMs);
  assert.deepEqual(pauses(api.to(STATUS)), [7000, 5000, 10_000, 60_000, 33_000, 10_000, 10_000]);
});

test("Retry-After may be a date", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.on(EVENTS, full);
  const date = new Date(clock.now() + 1000 + 12_000).toUTCString();
  api.on(STATUS, problem(503, "unavailable", { retryAfter: date }));
  watch("g1");
  await poll({ api, clock }, 1000);
  await poll({ api, clock }, 12_000);
});

test("Retry-After of a poll that was refused is kept", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  api.on(EVENTS, full);
  api.on(STATUS, problem(429, "rate_limited", { retryAfter: 20 }), { times: 1 });
  const told = watch("g1");
  await poll({ api, clock }, 1000);
  await poll({ api, clock }, 20_000);
  await until(() => told.updates.length === 1);
  assert.deepEqual(codes(told.errors), ["too_many_streams", "rate_limited"]);
});

test("Retry-After of a stream that was refused holds back the first poll too, but not if streams are just too many", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.on(EVENTS, problem(503, "unavailable", { retryAfter: 25 }));
  watch("g1");
  await until(() => clock.waits.filter((ms) => ms === 25_000).length === 2); // the poll's and the stream's
});

test("a poll says what it knows, and an unchanged state is not told again", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1", { version: 7 });
  api.on(EVENTS, full);
  const told = watch("g1");
  for (const waitMs of [1000, 2000, 5000]) await poll({ api, clock }, waitMs);
  api.change("g1", { progress: 30 });
  await poll({ api, clock }, 10_000);
  await until(() => told.updates.length === 2);
  assert.deepEqual(api.to(STATUS).map(({ headers }) => headers["if-none-match"]), [undefined, '"7"', '"7"', '"7"']);
  assert.deepEqual(versions(told.updates), [7, 8]);
});

test("an unchanged state is not told either when a proxy took the ETag away", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1", { version: 7 });
  api.on(EVENTS, full);
  const told = watch("g1");
  await poll({ api, clock }, 1000);
  await until(() => told.updates.length === 1);
  api.on(STATUS, (_, response) => response.writeHead(304).end());
  for (const waitMs of [2000, 5000]) await poll({ api, clock }, waitMs);
  assert.deepEqual(versions(told.updates), [7]);
});

for (const etag of ['"7"', 'W/"7"']) {
  test(`the ETag ${etag} is version 7: the stream goes on after it, and older news is ignored`, async (t) => {
    const { api, clock, watch } = await setUp(t);
    api.on(EVENTS, hangUp, { times: 1 });
    api.on(STATUS, json({ id: "g1", status: "processing", progress: 70 }, { headers: { ETag: etag } }));
    const told = watch("g1");
    await poll({ api, clock }, 1000);
    await until(() => told.updates.length === 1);
    assert.equal(told.updates[0].version, 7);
    const old = (version) => frame("generation", version, { id: "g1", version, status: "processing", progress: version });
    api.on(EVENTS, stream(old(6) + old(7) + old(8)));
    await clock.pass(2000);
    await clock.pass(2000);
    await until(() => told.updates.length === 2);
    assert.equal(api.to(EVENTS).at(-1).headers["last-event-id"], "7");
    assert.deepEqual(versions(told.updates), [7, 8]);
  });
}

test("an answer that is older than what is known is ignored", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1", { version: 9, progress: 90 });
  const told = watch("g1");
  await until(() => told.updates.length === 1);
  api.on(STATUS, json({ id: "g1", status: "pending", progress: 0 }, { headers: { ETag: 'W/"8"' } }));
  api.endStreams();
  await poll({ api, clock }, 1000);
  await poll({ api, clock }, 2000);
  assert.deepEqual(versions(told.updates), [9]);
});

test("answers whose ETag a proxy took away are told when they differ", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.on(EVENTS, full);
  let progress = 10;
  api.on(STATUS, (asked, response) => json({ id: "g1", status: "processing", progress })(asked, response));
  const told = watch("g1");
  await poll({ api, clock }, 1000);
  await poll({ api, clock }, 2000);
  progress = 20;
  await poll({ api, clock }, 5000);
  await until(() => told.updates.length === 2);
  assert.deepEqual(told.updates.map((one) => one.progress), [10, 20]);
});

test("a poll waits for the answer to the one before, however slow", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  api.on(EVENTS, full);
  const { answer, release } = held();
  api.on(STATUS, answer);
  const all = [watch("g1"), watch("g1")];
  await poll({ api, clock }, 1000);
  clock.advance(29_000);
  await settle();
  assert.equal(api.to(STATUS).length, 1);
  release();
  await until(() => all[1].updates.length === 1);
  await poll({ api, clock }, 2000);
  assert.equal(api.mostOpen.get("GET /v1/generations/g1/status"), 1);
});

test("a poll without an answer is given up after 30 seconds, and followed by the next", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  api.on(EVENTS, full);
  api.on(STATUS, noAnswer, { times: 1 });
  const told = watch("g1");
  await poll({ api, clock }, 1000);
  await clock.pass(30_000);
  await until(() => told.errors.length === 2);
  assert.equal(told.errors[1].code, "network");
  await poll({ api, clock }, 2000);
  await until(() => told.updates.length === 1);
  assert.equal(api.mostOpen.get("GET /v1/generations/g1/status"), 1);
});

test("a cancel aborts a poll that is under way, and nothing is told of it", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  api.on(EVENTS, full);
  const { answer, release } = held();
  api.on(STATUS, answer);
  const told = watch("g1");
  await poll({ api, clock }, 1000);
  told.cancel();
  await until(() => api.open.get("GET /v1/generations/g1/status") === 0);
  release();
  await settle();
  assert.deepEqual(told.names, ["onError"]);
});

// -- back to events ---------------------------------------------------------------------------------------------------

test("the stream is tried again after 5 seconds, then after twice as long each time, up to a minute", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.on(EVENTS, hangUp);
  api.on(STATUS, problem(503, "unavailable", { retryAfter: 59 })); // out of the way
  const told = watch("g1");
  await until(() => api.to(EVENTS).length === 1);
  for (const waitMs of [5000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
    const tries = api.to(EVENTS).length;
    await clock.pass(waitMs);
    await until(() => api.to(EVENTS).length > tries);
  }
  assert.deepEqual(pauses(api.to(EVENTS)), [5000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  assert.deepEqual(codes(told.errors), ["network", "unavailable"]);
});

for (const [retry, waitMs] of [["2000", 2000], ["0", 1000], ["3600000", 60_000], ["soon", 5000]]) {
  test(`a stream whose retry is ${retry} is tried again after ${waitMs} ms`, async (t) => {
    const { api, clock, watch } = await setUp(t);
    api.on(EVENTS, stream(`retry: ${retry}\n\n`, { ends: true }));
    const told = watch("g1");
    await until(() => told.errors.length === 1);
    await until(() => clock.waits.includes(waitMs));
    assert.deepEqual(clock.waits.filter((ms) => ms < 80_000), waitMs === 1000 ? [1000, 1000] : [1000, waitMs]);
  });
}

test("Retry-After of a stream that was refused is the least wait before the next try", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  api.on(EVENTS, problem(429, "too_many_streams", { retryAfter: 33 }), { times: 1 });
  const told = watch("g1");
  await clock.pass(33_000);
  await until(() => told.watch.mode === "events");
});

test("when a stream works again polling stops, and a poll under way is dropped", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  const told = watch("g1");
  await until(() => told.updates.length === 1);
  api.on(STATUS, noAnswer);
  api.endStreams();
  await poll({ api, clock }, 1000);
  api.change("g1", { progress: 50 });
  await clock.pass(4000); // 5 s since the stream ended
  await until(() => told.updates.length === 2);
  assert.equal(told.watch.mode, "events");
  assert.equal(api.to(EVENTS)[1].headers["last-event-id"], "1");
  await until(() => api.open.get("GET /v1/generations/g1/status") === 0);
  assert.deepEqual(clock.waits.filter((ms) => ms < 45_000), [], "nothing waits to poll");
  api.change("g1", { status: "completed" });
  await until(() => told.completed.length === 1);
  assert.deepEqual(versions(told.updates), [1, 2, 3]);
});

test("a poll that is dropped because the stream works is no error", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  api.on(EVENTS, problem(503, "unavailable"), { times: 1 });
  api.on(STATUS, noAnswer);
  const told = watch("g1");
  await poll({ api, clock }, 1000);
  await clock.pass(4000);
  await until(() => told.updates.length === 1 && api.open.get("GET /v1/generations/g1/status") === 0);
  await settle();
  assert.deepEqual(codes(told.errors), ["unavailable"]);
});

test("a stream works as soon as it gives a byte, though nothing has changed", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  api.on(EVENTS, hangUp, { times: 1 });
  const told = watch("g1");
  await poll({ api, clock }, 1000);
  await until(() => told.updates.length === 1);
  await clock.pass(2000);
  await clock.pass(2000);
  await until(() => told.watch.mode === "events");
  assert.deepEqual(versions(told.updates), [1]);
});

test("an error is told once for each code, and again after a stream has worked for ten seconds", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1");
  const told = watch("g1");
  await until(() => told.updates.length === 1);
  const breakOff = async () => {
    api.endStreams();
    await until(() => told.watch.mode === "polling");
  };
  const comeBack = async (waitMs) => {
    clock.advance(waitMs);
    await until(() => told.watch.mode === "events");
  };
  await breakOff();
  await comeBack(5000);
  await breakOff();
  await comeBack(10_000);
  assert.deepEqual(codes(told.errors), ["network"], "the first streams broke too soon");
  clock.advance(10_000);
  api.change("g1", { progress: 10 });
  await until(() => told.updates.length === 2);
  await breakOff();
  assert.deepEqual(codes(told.errors), ["network", "network"]);
  await comeBack(5000); // not 20 s: the count begins anew too
});

test("what cannot be read breaks the stream: it is told, and the state is polled", async (t) => {
  const { api, clock, watch } = await setUp(t);
  api.add("g1", { version: 2 });
  api.on(EVENTS, stream("event: generation\ndata: {broken\n\n"));
  const told = watch("g1");
  await until(() => told.errors.length === 1);
  assert.deepEqual(codes(told.errors), ["bad_answer"]);
  await poll({ api, clock }, 1000);
  await until(() => told.updates.length === 1);
  assert.equal(told.updates[0].version, 2);
});

for (const body of ["{}", "null", "", '{"status": ""}']) {
  test(`an answer of ${JSON.stringify(body)} is no state of a generation`, async (t) => {
    const { api, clock, watch } = await setUp(t);
    api.on(EVENTS, full);
    api.on(STATUS, (_, response) => response.writeHead(200, { ETag: 'W/"3"' }).end(body));
    const told = watch("g1");
    await poll({ api, clock }, 1000);
    await until(() => told.errors.length === 2);
    assert.equal(told.errors[1].code, "bad_answer");
    assert.deepEqual(told.updates, []);
  });
}

test("waits are spread by up to a tenth, so that many clients do not come at once", async (t) => {
  t.mock.method(Math, "random", () => 1);
  const { api, clock, watch } = await setUp(t);
  api.on(EVENTS, hangUp);
  watch("g1");
  await until(() => clock.waits[0] === 1100);
  assert.deepEqual(clock.waits.slice(0, 2), [1100, 5500]);
});
