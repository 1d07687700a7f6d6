/** The fake API as a process of its own, to be killed: `node fake_server.mjs PORT HISTORY`. Says its port when it answers. */

import { FakeApi } from "./fake_api.mjs";

const [port, history] = process.argv.slice(2);
const api = new FakeApi();
api.preamble = "retry: 1000\n\n";
const [first, ...changes] = JSON.parse(history);
api.add("g1", first);
for (const change of changes) api.change("g1", change);
await api.start(Number(port));
console.log(new URL(api.url).port);
