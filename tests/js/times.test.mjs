/** When it will be done: what the client passes on, and what the page makes of it. */

import assert from "node:assert/strict";
import test from "node:test";

import { Known } from "../../vidpoll/api/page/known.js";
import * as words from "../../vidpoll/api/page/words.js";
import { frame, problem } from "./fake_api.mjs";
import { setUp, until } from "./support.mjs";

const { estimatedProgress, timeWords } = words;
const plain = (text) => text.replaceAll("\u00a0", " ");
const etaWords = (...args) => plain(words.etaWords(...args));
const roughly = (seconds) => plain(words.roughly(seconds));

const TIMES = { eta_s: 40, eta_p90_s: 120, elapsed_s: 20, next_check_s: 5, checks: 3 };
const NOW = Date.UTC(2026, 10, 21, 12);

/** One at the provider that had run for 20 s when its ETA was told: 40 s for half, 120 s for nine tenths. */
const RUNNING = { status: "processing", progress: 0, eta: { p50: 40, p90: 120, elapsed: 20, at: NOW } };
const inSeconds = (seconds) => NOW + seconds * 1000;

function timesIn({ eta_s, eta_p90_s, elapsed_s, next_check_s, checks }) {
  return { eta_s, eta_p90_s, elapsed_s, next_check_s, checks };
}

// -- the client -------------------------------------------------------------------------------------------------------

test("a watch passes on all times of the snapshot, and of each event those of that moment", async (t) => {
  const { api, watch } = await setUp(t);
  api.add("g1", { version: 1, status: "processing", progress: 10, ...TIMES });
  const told = watch("g1");
  await until(() => told.updates.length === 1);
  const event = { id: "g1", kind: "progress", status: "processing", at: "2026-11-21T12:00:00Z" };
  api.write(frame("generation", 2, { ...event, version: 2, progress: 20, eta_s: 30, eta_p90_s: 100, elapsed_s: 35 }));
  api.write(frame("generation", 3, { ...event, version: 3, progress: 30 }));
  await until(() => told.updates.length === 3);
  assert.deepEqual(timesIn(told.updates[0]), TIMES);
  const none = { eta_s: undefined, eta_p90_s: undefined, elapsed_s: undefined, next_check_s: undefined };
  assert.deepEqual(timesIn(told.updates[1]), { ...none, eta_s: 30, eta_p90_s: 100, elapsed_s: 35, checks: 3 });
  assert.deepEqual(timesIn(told.updates[2]), { ...none, checks: 3 });
});

test("polls of one and lists of all pass them on as well", async (t) => {
  const { api, clock, client, watch, watchAll } = await setUp(t);
  api.add("g1", { status: "processing", progress: 10, ...TIMES });
  api.on(/events$/, problem(429, "too_many_streams", { retryAfter: 60 }));
  const [one, all] = [watch("g1"), watchAll()];
  await until(() => one.watch.mode === "polling" && all.watch.mode === "polling");
  clock.advance(1000);
  await until(() => one.updates.length === 1 && all.updates.length === 1);
  assert.deepEqual(timesIn(one.updates[0]), TIMES);
  assert.deepEqual(timesIn(all.updates[0]), TIMES);
  assert.deepEqual(timesIn((await client.statusOf(["g1"]))[0]), TIMES);
});

// -- the page's words -------------------------------------------------------------------------------------------------

test("the range is said in plain words and counts down", () => {
  assert.equal(etaWords(RUNNING, NOW), "about 40 s left, at most 2 min for 9 of 10");
  assert.equal(etaWords(RUNNING, inSeconds(30)), "about 10 s left, at most 90 s for 9 of 10");
  assert.equal(etaWords(RUNNING, inSeconds(45)), "at most 75 s left for 9 of 10");
  assert.equal(etaWords(RUNNING, inSeconds(121)), "");
});

test("half and nine tenths that are said alike are said once", () => {
  assert.equal(etaWords({ ...RUNNING, eta: { ...RUNNING.eta, p50: 4, p90: 5 } }, NOW), "about 5 s left");
});

test("before the provider has it nothing counts down", () => {
  for (const status of ["pending", "submitting"]) {
    const told = "about 40 s once submitted, at most 2 min for 9 of 10";
    assert.equal(etaWords({ ...RUNNING, status }, NOW), told);
    assert.equal(etaWords({ ...RUNNING, status }, inSeconds(100)), told);
  }
});

test("what has ended, or of which nobody can tell, has no range", () => {
  for (const status of ["unknown", "completed", "failed", "cancelled"]) assert.equal(etaWords({ ...RUNNING, status }, NOW), "");
  assert.equal(etaWords({ status: "processing" }, NOW), "");
  const created_at = new Date(NOW).toISOString();
  assert.equal(timeWords({ ...RUNNING, eta: undefined, created_at }, inSeconds(65)), "1:05 so far");
});

test("between two answers the words never go up", () => {
  const seconds = (text) => Number(/about (\d+) s/.exec(text)?.[1] ?? 0);
  let before = Infinity;
  for (let passed = 0; passed < 40; passed += 0.5) {
    const left = seconds(etaWords(RUNNING, inSeconds(passed)));
    assert.ok(left <= before, `${left} s after ${before} s`);
    before = left;
  }
});

test("a guess is not said as exactly as a measurement", () => {
  const said = [0.2, 38, 90, 91, 600, 5400, 9000].map(roughly);
  assert.deepEqual(said, ["5 s", "40 s", "90 s", "2 min", "10 min", "90 min", "2.5 h"]);
});

// -- the page's estimate ----------------------------------------------------------------------------------------------

test("without progress the part of the time that has passed is the estimate, never all of it", () => {
  assert.equal(estimatedProgress(RUNNING, NOW), 33);
  assert.equal(estimatedProgress(RUNNING, inSeconds(20)), 67);
  assert.equal(estimatedProgress(RUNNING, inSeconds(1000)), 95);
});

test("there is no estimate where the provider tells progress or may still do, nor where it is not at the provider", () => {
  assert.equal(estimatedProgress({ ...RUNNING, progress: 7 }, NOW), null);
  assert.equal(estimatedProgress({ ...RUNNING, eta: { ...RUNNING.eta, elapsed: 2 } }, NOW), null);
  assert.equal(estimatedProgress({ ...RUNNING, eta: undefined }, NOW), null);
  for (const status of ["pending", "completed"]) assert.equal(estimatedProgress({ ...RUNNING, status }, NOW), null);
});

// -- what the page knows ----------------------------------------------------------------------------------------------

const LISTED = { id: "g1", version: 1, created_at: "2026-11-21T12:00:00Z", status: "processing", progress: 0 };

test("an ETA is known as of its event, and goes with the next answer that has none", () => {
  const known = new Known();
  known.learn(LISTED);
  const event = { id: "g1", version: 2, kind: "processing", status: "processing", at: "2026-11-21T12:00:00Z" };
  const { after } = known.learn({ ...event, eta_s: 40, eta_p90_s: 120, elapsed_s: 20 });
  assert.deepEqual(after.eta, RUNNING.eta);
  assert.equal(known.learn({ id: "g1", status: "processing", progress: 0 }).after.eta, undefined);
});

test("an ETA becomes old with a quarter of its time, and those of ends never", () => {
  const known = new Known();
  known.learn({ ...LISTED, eta_s: 40 });
  assert.deepEqual(known.idsOfOldEtas(), []);
  const at = new Date(Date.now() - 11_000).toISOString();
  known.learn({ ...LISTED, version: 2, kind: "progress", at, eta_s: 40 });
  assert.deepEqual(known.idsOfOldEtas(), ["g1"]);
  known.learn({ ...LISTED, version: 3, status: "completed" });
  assert.deepEqual(known.idsOfOldEtas(), []);
});
