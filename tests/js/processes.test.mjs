/** The client against the real clock and processes that end. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import test from "node:test";

import { Vidpoll } from "../../vidpoll/api/page/vidpoll.js";
import { FakeApi, KEY } from "./fake_api.mjs";
import { FakeProject } from "./fake_projects.mjs";
import { until, versions } from "./support.mjs";

const SERVER = new URL("fake_server.mjs", import.meta.url).pathname;
const CLIENT = new URL("../../vidpoll/api/page/vidpoll.js", import.meta.url).href;

async function startServer(t, port, history) {
  const server = spawn(process.execPath, [SERVER, String(port), JSON.stringify(history)], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => server.kill("SIGKILL"));
  const [output] = await once(server.stdout, "data");
  return { port: Number(output), kill: () => Promise.all([once(server, "exit"), server.kill("SIGKILL")]) };
}

test("a server that is killed and comes back in the middle of a watch: the final event is seen exactly once", async (t) => {
  const history = [{ version: 3, progress: 30 }];
  const first = await startServer(t, 0, history);
  const client = new Vidpoll({ baseUrl: `http://127.0.0.1:${first.port}`, apiKey: KEY });
  const all = Array.from({ length: 3 }, () => {
    const told = { updates: [], completed: [], errors: [] };
    told.watch = client.watch("g1", {
      onUpdate: (generation) => told.updates.push(generation),
      onComplete: (generation) => told.completed.push(generation),
      onError: (error) => told.errors.push(error),
    });
    return told;
  });
  t.after(() => all.forEach(({ watch }) => watch.cancel()));
  await until(() => all.every(({ updates }) => updates.length === 1));
  await first.kill();
  await until(() => all.every(({ watch }) => watch.mode === "polling"));
  await startServer(t, first.port, [...history, { progress: 60 }, { status: "completed", progress: 100 }]);
  await until(() => all.every(({ completed }) => completed.length > 0));
  for (const { updates, completed, errors, watch } of all) {
    assert.equal(watch.mode, "ended");
    assert.equal(completed.length, 1);
    assert.equal(completed[0].version, 5);
    const seen = versions(updates);
    assert.deepEqual(seen, [...new Set(seen)].sort((a, b) => a - b), "versions only grow");
    assert.equal(seen.at(-1), 5);
    assert.ok(errors.length >= 1 && errors.every(({ retryable }) => retryable));
  }
});

for (const [what, program] of [
  ["cancelled its watches", `const watches = [client.watch("g1", {}), client.watchAll({}), client.watchProject("p1", {}),
      client.followProject("p1", {})];
    setTimeout(() => watches.forEach((watch) => watch.cancel()), 300);`],
  ["cancelled a watch that polls", `const gone = new Vidpoll({ baseUrl: "http://127.0.0.1:1", apiKey: "${KEY}" });
    const watch = gone.watch("g1", { onError: () => setTimeout(() => watch.cancel(), 100) });`],
  ["seen a generation complete", `client.watch("done", { onComplete: () => console.log("done") });`],
  ["made a request", `await client.get("g1");`],
]) {
  test(`a program that has ${what} ends by itself`, async (t) => {
    const api = await new FakeApi().start();
    t.after(() => api.stop());
    api.add("g1", { project_id: "p1" });
    api.add("done", { status: "completed" });
    new FakeProject(api);
    const script = `import { Vidpoll } from "${CLIENT}"; const client = new Vidpoll({ baseUrl: "${api.url}", apiKey: "${KEY}" }); ${program}`;
    const running = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "ignore", "inherit"] });
    t.after(() => running.kill("SIGKILL"));
    await until(() => running.exitCode !== null, () => "it still runs");
    assert.equal(running.exitCode, 0);
  });
}
