/** How the bytes of a stream are read. A fetch of its own hands them over in exactly the pieces that a test wants. */

import assert from "node:assert/strict";
import test from "node:test";

import { Vidpoll } from "../../vidpoll/api/page/vidpoll.js";
import { KEY } from "./fake_api.mjs";
import { FakeClock, settle, until } from "./support.mjs";

const encoder = new TextEncoder();

/** What a watch tells of a stream that comes in these pieces. */
async function read(pieces, { follow = "watch" } = {}) {
  const clock = new FakeClock();
  const requests = [];
  const fetch = async (url, { headers, signal }) => {
    requests.push(headers);
    if (requests.length > 1) return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
    return new Response(streamOf(pieces), { headers: { "Content-Type": "text/event-stream; charset=utf-8" } });
  };
  const client = new Vidpoll({ baseUrl: "http://api.test", apiKey: KEY, clock, fetch });
  const updates = [];
  const errors = [];
  const watcher = { onUpdate: (generation) => updates.push(generation), onError: (error) => errors.push(error) };
  const watch = follow === "watch" ? client.watch("g1", watcher) : client.watchAll(watcher);
  await until(() => errors.length === 1); // the stream has ended early
  const waits = clock.waits;
  clock.advance(60_000);
  await until(() => requests.length > 1);
  const lastEventId = requests.slice(1).map((headers) => headers.get("Last-Event-ID")).find((id) => id !== null);
  watch.cancel();
  return { updates, errors, waits, lastEventId };
}

function streamOf(pieces) {
  const left = pieces.map((piece) => (typeof piece === "string" ? encoder.encode(piece) : piece));
  return new ReadableStream({
    pull(controller) {
      if (left.length) controller.enqueue(left.shift());
      else controller.close();
    },
  });
}

const event = (version, more = {}) => JSON.stringify({ id: "g1", version, status: "processing", progress: version, ...more });
const progress = ({ updates }) => updates.map((one) => one.progress);

for (const [name, end] of [["LF", "\n"], ["CR", "\r"], ["CRLF", "\r\n"]]) {
  test(`lines may end in ${name}`, async () => {
    const lines = ["event: generation", `data: ${event(1)}`, "", "event: generation", `data: ${event(2)}`, "", ""];
    assert.deepEqual(progress(await read([lines.join(end)])), [1, 2]);
  });
}

test("lines may end in every way in one stream", async () => {
  const text = `event: generation\rdata: ${event(1)}\r\n\revent: generation\ndata: ${event(2)}\r\n\n`;
  assert.deepEqual(progress(await read([text])), [1, 2]);
});

test("a stream is read the same wherever it is cut in two, also within a character or a line end", async () => {
  const text =
    `\uFEFF: welcome\r\n\r\nretry: 7000\r\nevent: generation\r\nid: 1\r\ndata: ${event(1, { stage: "Wölfe 🐺 unterwegs" })}\r\n\r\n` +
    `event: generation\rdata: {"id": "g1",\rdata:"version": 2, "status": "processing", "progress": 2}\r\r` +
    `event: generation\ndata: ${event(3)}\n\n`;
  const bytes = encoder.encode(text);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { updates, waits } = await read([bytes.slice(0, cut), bytes.slice(cut)].filter((piece) => piece.length));
    assert.deepEqual(progress({ updates }), [1, 2, 3], `cut at ${cut}`);
    assert.equal(updates[0].stage, "Wölfe 🐺 unterwegs", `cut at ${cut}`);
    assert.ok(waits.includes(7000), `cut at ${cut}`);
  }
});

test("a stream may come byte by byte", async () => {
  const bytes = encoder.encode(`\uFEFFevent: generation\r\ndata: ${event(1, { stage: "日本 🦊" })}\r\n\r\nevent: generation\r\ndata: ${event(2)}\r\n\r\n`);
  const { updates } = await read(Array.from(bytes, (_, index) => bytes.slice(index, index + 1)));
  assert.deepEqual(progress({ updates }), [1, 2]);
  assert.equal(updates[0].stage, "日本 🦊");
});

test("empty pieces do not matter, also between CR and LF", async () => {
  const nothing = new Uint8Array();
  const pieces = [nothing, "event: generation\r", nothing, `\ndata: ${event(1)}\r`, nothing, "\n\r", nothing, "\n"];
  assert.deepEqual(progress(await read(pieces)), [1]);
});

test("data of several lines is put together with line feeds", async () => {
  const lines = JSON.stringify(JSON.parse(event(1)), null, 2).split("\n");
  assert.deepEqual(progress(await read([`event: generation\n${lines.map((line) => `data: ${line}\n`).join("")}\n`])), [1]);
});

test("a space after the colon belongs to the format, and need not be there", async () => {
  assert.deepEqual(progress(await read([`event:generation\ndata:${event(1)}\n\n`])), [1]);
});

test("comments, unknown fields and fields without a colon are ignored", async () => {
  const text = `:\n: heartbeat\nwhatever: 1\nwhatever\nevent: generation\n: in between\ndata: ${event(1)}\nretry\n\n`;
  const { updates, errors } = await read([text]);
  assert.deepEqual(progress({ updates }), [1]);
  assert.deepEqual(errors.map(({ code }) => code), ["network"]);
});

test("an event's type does not rub off on the next", async () => {
  assert.deepEqual(progress(await read([`event: generation\ndata: ${event(1)}\n\ndata: ${event(2)}\n\n`])), [1]);
});

test("a block without data is no event, and forgets its type", async () => {
  assert.deepEqual(progress(await read([`event: generation\n\ndata: ${event(1)}\n\nevent: generation\ndata: ${event(2)}\n\n`])), [2]);
});

test("an event that the end of the stream cuts off is not told", async () => {
  assert.deepEqual(progress(await read([`event: generation\ndata: ${event(1)}\n\nevent: generation\ndata: ${event(2)}\n`])), [1]);
});

test("a stream goes on after the last id, which stays until another comes", async () => {
  const text = `id: c7\nevent: generation\ndata: ${event(1)}\n\nevent: generation\ndata: ${event(2)}\n\n`;
  assert.equal((await read([text], { follow: "watchAll" })).lastEventId, "c7");
});

test("an id with a NUL is ignored, and so is that of an event that was cut off", async () => {
  const text = `id: c7\nevent: generation\ndata: ${event(1)}\n\nid: c8\0\nevent: generation\ndata: ${event(2)}\n\nid: c9\n`;
  assert.equal((await read([text], { follow: "watchAll" })).lastEventId, "c7");
});

test("the id of an event that cannot be read is not taken as seen", async () => {
  const text = `id: c7\nevent: generation\ndata: ${event(1)}\n\nid: c8\nevent: generation\ndata: {broken\n\n`;
  const { lastEventId, errors } = await read([text], { follow: "watchAll" });
  assert.equal(lastEventId, "c7");
  assert.deepEqual(errors.map(({ code }) => code), ["bad_answer"]);
});

test("bytes that were on their way when the watch was cancelled start nothing", async () => {
  const clock = new FakeClock();
  const requests = [];
  let bytes;
  const fetch = async (url) => {
    requests.push(url);
    return new Response(new ReadableStream({ start: (controller) => (bytes = controller) }), { headers: { "Content-Type": "text/event-stream" } });
  };
  const watch = new Vidpoll({ baseUrl: "http://api.test", apiKey: KEY, clock, fetch }).watchProject("p1", {});
  await settle();
  bytes.enqueue(encoder.encode('event: ready\ndata: {"resumed": false}\n\n'));
  watch.cancel();
  await settle();
  assert.equal(requests.length, 1);
  assert.deepEqual(clock.waits, []);
});

test("a stream of a megabyte in one event is read in good time", async () => {
  const long = event(1, { stage: "x".repeat(1_000_000) });
  const pieces = `event: generation\ndata: ${long}\n\n`.match(/[^]{1,16384}/g);
  assert.deepEqual(progress(await read(pieces)), [1]);
});
