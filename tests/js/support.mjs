/** What tests of the client have in common: a clock that they move, a client of a fake API, and waiting. */

import assert from "node:assert/strict";
import { mock } from "node:test";
import { setTimeout as realSleep } from "node:timers/promises";

import { Vidpoll } from "../../vidpoll/api/page/vidpoll.js";
import { FakeApi, KEY } from "./fake_api.mjs";

const PATIENCE_MS = 10_000;
const NOON = Date.UTC(2026, 10, 21, 12);

mock.method(Math, "random", () => 0); // no jitter, so that waits are exact

/** Time that passes only when it is told to. Sockets go on by themselves meanwhile. */
export class FakeClock {
  #now = NOON;
  #timers = new Set();

  now() {
    return this.#now;
  }

  setTimeout(callback, ms) {
    const timer = { callback, due: this.#now + ms };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(timer) {
    this.#timers.delete(timer);
  }

  /** Milliseconds until each timer is due. */
  get waits() {
    return [...this.#timers].map(({ due }) => due - this.#now).sort((a, b) => a - b);
  }

  advance(ms) {
    const end = this.#now + ms;
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.due - b.due)[0];
      if (!next || next.due > end) break;
      this.#now = next.due;
      this.#timers.delete(next);
      next.callback();
    }
    this.#now = end;
  }

  /** Waits until somebody waits exactly so long, and lets the time pass. */
  async pass(ms) {
    await until(() => this.waits.includes(ms), () => `nobody waits ${ms} ms, but ${this.waits}`);
    this.advance(ms);
  }
}

/** Waits until it is so. */
export async function until(condition, message = () => `not so after ${PATIENCE_MS} ms: ${condition}`) {
  const end = performance.now() + PATIENCE_MS;
  while (!condition()) {
    assert.ok(performance.now() < end, message());
    await realSleep(1);
  }
}

/** Gives what is on its way the time to arrive, for tests of something that must not happen. */
export function settle() {
  return realSleep(50);
}

/** A fake API and a client of it, with a clock that the test moves. When the test ends no timer may be left. */
export async function setUp(t, options = {}) {
  const clock = new FakeClock();
  const api = await new FakeApi(() => clock.now()).start();
  const watches = [];
  t.after(async () => {
    for (const watch of watches) watch.cancel();
    await api.stop();
    await until(() => clock.waits.length === 0, () => `timers are left: ${clock.waits}`);
  });
  const client = new Vidpoll({ baseUrl: api.url, apiKey: KEY, clock, ...options });
  /** Watches, and writes down what is told. */
  const watch = (id, watcher) => record(watches, (recorder) => client.watch(id, recorder), watcher);
  const watchAll = (watcher) => record(watches, (recorder) => client.watchAll(recorder), watcher);
  const watchProject = (project, watcher) => record(watches, (recorder) => client.watchProject(project, recorder), watcher);
  const followProject = (id, watcher) => record(watches, (recorder) => client.followProject(id, recorder), watcher);
  return { api, clock, client, watch, watchAll, watchProject, followProject };
}

function record(watches, start, watcher = {}) {
  const told = { updates: [], completed: [], errors: [], ready: [], names: [] };
  const recorder = (name, list) => (...args) => {
    told.names.push(name);
    list.push(args[0]);
    return watcher[name]?.(...args);
  };
  const watch = start({
    ...watcher,
    onUpdate: recorder("onUpdate", told.updates),
    onComplete: recorder("onComplete", told.completed),
    onError: recorder("onError", told.errors),
    onReady: recorder("onReady", told.ready),
  });
  watches.push(watch);
  return Object.assign(told, { watch, cancel: watch.cancel });
}

export const versions = (generations) => generations.map(({ version }) => version);
export const codes = (errors) => errors.map(({ code }) => code);

/** Milliseconds between the requests. */
export function pauses(requests) {
  return requests.slice(1).map(({ at }, index) => at - requests[index].at);
}
