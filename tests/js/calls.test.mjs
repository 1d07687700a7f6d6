import assert from "node:assert/strict";
import { inspect } from "node:util";
import test from "node:test";

import { Vidpoll, VidpollError } from "../../vidpoll/api/page/vidpoll.js";
import { hangUp, json, KEY, noAnswer, page, problem } from "./fake_api.mjs";
import { pauses, setUp, until } from "./support.mjs";

const SUBMIT = /POST \/v1\/generations$/;
const FOX = { provider: "veo", model: "veo-3.1", prompt: "a red fox" };

/** What the promise is rejected with. */
async function failure(promise) {
  const error = await promise.then(() => assert.fail("it worked"), (thrown) => thrown);
  assert.ok(error instanceof VidpollError, inspect(error));
  return error;
}

// -- submit -----------------------------------------------------------------------------------------------------------

test("submit sends the request with an idempotency key of its own", async (t) => {
  const { api, client } = await setUp(t);
  assert.deepEqual(await client.submit(FOX), { id: "new-1", status: "pending", new: true });
  await client.submit(FOX);
  const [first, second] = api.requests;
  assert.deepEqual([first.method, first.path, JSON.parse(first.body)], ["POST", "/v1/generations", FOX]);
  assert.equal(first.headers["content-type"], "application/json");
  assert.match(first.headers["idempotency-key"], /^[0-9a-f]{32}$/);
  assert.notEqual(first.headers["idempotency-key"], second.headers["idempotency-key"]);
});

test("submit takes an idempotency key that is given", async (t) => {
  const { api, client } = await setUp(t);
  await client.submit(FOX, { idempotencyKey: "fox-1" });
  assert.equal(api.requests[0].headers["idempotency-key"], "fox-1");
});

for (const [what, answer] of [
  ["no answer", hangUp],
  ["a 503", problem(503, "unavailable")],
  ["a 429", problem(429, "rate_limited")],
  ["a proxy's 502", page(502)],
  ["a proxy's 504", page(504)],
  ["an answer that breaks off", (_, response) => response.writeHead(202, { "Content-Length": 99 }).write("{", () => response.destroy())],
]) {
  test(`submit is repeated with the same key after ${what}`, async (t) => {
    const { api, clock, client } = await setUp(t);
    api.on(SUBMIT, answer, { times: 3 });
    const submitted = client.submit(FOX);
    for (const waitMs of [1000, 2000, 5000]) await clock.pass(waitMs);
    assert.equal((await submitted).id, "new-1");
    assert.equal(api.requests.length, 4);
    assert.equal(new Set(api.requests.map(({ headers }) => headers["idempotency-key"])).size, 1);
    assert.equal(new Set(api.requests.map(({ body }) => body)).size, 1);
    assert.deepEqual(pauses(api.requests), [1000, 2000, 5000]);
  });
}

test("submit is repeated three times at most", async (t) => {
  const { api, clock, client } = await setUp(t);
  api.on(SUBMIT, problem(503, "unavailable"));
  const failed = failure(client.submit(FOX));
  for (const waitMs of [1000, 2000, 5000]) await clock.pass(waitMs);
  const { code, status, retryable } = await failed;
  assert.deepEqual([code, status, retryable], ["unavailable", 503, true]);
  assert.equal(api.requests.length, 4);
});

test("submit waits as long as Retry-After says before it is repeated", async (t) => {
  const { api, clock, client } = await setUp(t);
  api.on(SUBMIT, problem(429, "rate_limited", { retryAfter: 17 }), { times: 1 });
  const submitted = client.submit(FOX);
  await clock.pass(17_000);
  await submitted;
});

for (const [status, code] of [[409, "idempotency_conflict"], [422, "invalid_request"], [403, "forbidden"], [500, "internal_error"]]) {
  test(`submit is not repeated after a ${status}`, async (t) => {
    const { api, client } = await setUp(t);
    api.on(SUBMIT, problem(status, code));
    assert.equal((await failure(client.submit(FOX))).code, code);
    assert.equal(api.requests.length, 1);
  });
}

test("a header that cannot be sent is a TypeError at once, not a network failure", async (t) => {
  const { api, client } = await setUp(t);
  await assert.rejects(client.submit(FOX, { idempotencyKey: "two\nlines" }), TypeError);
  assert.equal(api.requests.length, 0);
});

test("submit makes a key also where randomUUID is missing, as on pages that came by plain http", async (t) => {
  t.mock.method(crypto, "randomUUID", undefined);
  const { api, client } = await setUp(t);
  await client.submit(FOX);
  assert.ok(api.requests[0].headers["idempotency-key"]);
});

// -- the others -------------------------------------------------------------------------------------------------------

test("statusOf asks for 200 at a time, and leaves out those that are not there", async (t) => {
  const { api, client } = await setUp(t);
  const ids = Array.from({ length: 401 }, (_, index) => `g${index}`);
  for (const id of ids.slice(1)) api.add(id);
  const generations = await client.statusOf(ids);
  assert.deepEqual(generations.map(({ id }) => id), ids.slice(1));
  assert.deepEqual(api.requests.map(({ query }) => query.ids.split(",").length), [200, 200, 1]);
  assert.equal(api.mostOpen.get("GET /v1/generations/status"), 1);
});

test("statusOf nothing asks nothing", async (t) => {
  const { api, client } = await setUp(t);
  assert.deepEqual(await client.statusOf([]), []);
  assert.equal(api.requests.length, 0);
});

test("list asks for what it is told to, and hands out the page", async (t) => {
  const { api, client } = await setUp(t);
  for (let n = 1; n <= 3; n++) api.add(`g${n}`, { project_id: "p & q" });
  const { items, next } = await client.list({ project: "p & q", limit: 2 });
  assert.deepEqual([items.map(({ id }) => id), next], [["g3", "g2"], "2"]);
  await client.list({ status: "failed", cursor: "2" });
  await client.list();
  assert.deepEqual(api.requests.map(({ query }) => query), [{ project: "p & q", limit: "2" }, { status: "failed", cursor: "2" }, {}]);
});

test("get, refresh, cancel and retry go to their routes", async (t) => {
  const { api, client } = await setUp(t);
  api.add("g1");
  assert.equal((await client.get("g1")).prompt, "a fox");
  assert.equal(await client.refresh("g1"), undefined);
  assert.equal(await client.cancel("g1"), undefined);
  assert.deepEqual(await client.retry("g1"), { id: "g1-retry", status: "pending", new: true });
  assert.deepEqual(
    api.requests.map(({ method, url }) => `${method} ${url}`),
    ["GET /v1/generations/g1", "POST /v1/generations/g1/refresh", "POST /v1/generations/g1/cancel", "POST /v1/generations/g1/retry"],
  );
});

test("an answer without a body is fine where none is needed", async (t) => {
  const { api, client } = await setUp(t);
  api.on(/refresh|cancel/, (_, response) => response.writeHead(202).end());
  await client.refresh("g1");
  await client.cancel("g1");
});

test("retry is repeated as submit is, since asking again gives the same generation", async (t) => {
  const { api, clock, client } = await setUp(t);
  api.add("g1");
  api.on(/retry/, hangUp, { times: 2 });
  const retried = client.retry("g1");
  for (const waitMs of [1000, 2000]) await clock.pass(waitMs);
  assert.equal((await retried).id, "g1-retry");
  assert.deepEqual(pauses(api.requests), [1000, 2000]);
});

test("refresh and cancel are not repeated", async (t) => {
  const { api, client } = await setUp(t);
  api.on(/./, problem(503, "unavailable"));
  assert.equal((await failure(client.refresh("g1"))).retryable, true);
  assert.equal((await failure(client.cancel("g1"))).retryable, true);
  assert.equal(api.requests.length, 2);
});

for (const id of ["", ".", "..", "a/b", "a?b", "a b", "a%2Fb"]) {
  test(`"${id}" is no id, and nothing is asked`, async (t) => {
    const { api, client } = await setUp(t);
    await assert.rejects(client.get(id), TypeError);
    assert.throws(() => client.watch(id, {}), TypeError);
    assert.equal(api.requests.length, 0);
  });
}

// -- errors -----------------------------------------------------------------------------------------------------------

test("a problem document becomes an error with all it says", async (t) => {
  const { api, client } = await setUp(t);
  api.on(SUBMIT, problem(422, "invalid_request", { errors: ["prompt: is empty"], detail: "it cannot be accepted" }));
  const error = await failure(client.submit(FOX));
  const { name, message, code, status, errors, retryable, retryAfter } = error;
  assert.deepEqual(
    { name, message, code, status, errors, retryable, retryAfter },
    { name: "VidpollError", message: "it cannot be accepted", code: "invalid_request", status: 422, errors: ["prompt: is empty"], retryable: false, retryAfter: undefined },
  );
});

for (const [status, retryable] of [[400, false], [404, false], [408, true], [409, false], [429, true], [500, true], [503, true]]) {
  test(`a ${status} is ${retryable ? "" : "not "}worth another try`, async (t) => {
    const { api, client } = await setUp(t);
    api.on(/./, problem(status, "some_code", { retryAfter: 9 }));
    const error = await failure(client.get("g1"));
    assert.deepEqual([error.retryable, error.status, error.retryAfter], [retryable, status, 9]);
  });
}

for (const body of ["<h1>no</h1>", "", "null", "7"]) {
  test(`a refusal whose body is ${JSON.stringify(body)} is an error all the same`, async (t) => {
    const { api, client } = await setUp(t);
    api.on(/./, (_, response) => response.writeHead(502).end(body));
    const { code, message } = await failure(client.get("g1"));
    assert.deepEqual([code, message], ["http_502", "HTTP 502"]);
  });
}

test("an answer that is no JSON is an error", async (t) => {
  const { api, client } = await setUp(t);
  api.on(/./, page(200));
  assert.deepEqual((await failure(client.get("g1"))).code, "bad_answer");
});

test("a request without an answer is given up after 30 seconds", async (t) => {
  const { api, clock, client } = await setUp(t);
  api.on(/./, noAnswer);
  const failed = failure(client.get("g1"));
  await until(() => api.requests.length === 1);
  clock.advance(29_999);
  await clock.pass(1);
  const { code, status, retryable } = await failed;
  assert.deepEqual([code, status, retryable], ["network", 0, true]);
  await until(() => api.open.get("GET /v1/generations/g1") === 0);
});

test("a body that does not end is given up after 30 seconds", async (t) => {
  const { api, clock, client } = await setUp(t);
  api.on(/./, (_, response) => response.writeHead(200).write('{"id":'));
  const failed = failure(client.get("g1"));
  await until(() => api.requests.length === 1);
  await clock.pass(30_000);
  assert.equal((await failed).code, "network");
});

test("redirects are not followed, so that the key goes nowhere else", async (t) => {
  const { api, client } = await setUp(t);
  api.on(/g1$/, (_, response) => response.writeHead(307, { Location: "/v1/elsewhere" }).end());
  assert.equal((await failure(client.get("g1"))).code, "network");
  assert.equal(api.requests.length, 1);
});

// -- the client itself ------------------------------------------------------------------------------------------------

test("requests carry no cookies and are kept in no cache", async () => {
  const seen = [];
  async function fetch(url, init) {
    seen.push({ self: this, url, init });
    return new Response("{}");
  }
  const client = new Vidpoll({ baseUrl: "https://api.test/under/a/path/", apiKey: KEY, fetch });
  await client.get("g1");
  const [{ self, url, init }] = seen;
  assert.equal(url, "https://api.test/under/a/path/v1/generations/g1");
  assert.deepEqual([init.credentials, init.cache, init.redirect], ["omit", "no-store", "error"]);
  assert.equal(self, undefined, "browsers refuse a fetch that is called as a method");
});

test("on a page the API is where the page came from; elsewhere it must be said where it is", async (t) => {
  assert.throws(() => new Vidpoll({ apiKey: KEY }), /baseUrl/);
  globalThis.location = { origin: "https://page.test", href: "https://page.test/some/page.html" };
  t.after(() => delete globalThis.location);
  const urls = [];
  const fetch = async (url) => {
    urls.push(url);
    return new Response("{}");
  };
  await new Vidpoll({ apiKey: KEY, fetch }).get("g1");
  await new Vidpoll({ apiKey: KEY, fetch, baseUrl: "/api" }).get("g1");
  assert.deepEqual(urls, ["https://page.test/v1/generations/g1", "https://page.test/api/v1/generations/g1"]);
});

test("a key that cannot be sent is refused without being repeated", () => {
  for (const apiKey of ["", " ", `${KEY}\n`, `${KEY} `, `${KEY}é`, undefined]) {
    assert.throws(
      () => new Vidpoll({ baseUrl: "https://api.test", apiKey }),
      (error) => error instanceof TypeError && !inspect(error).includes(KEY),
    );
  }
});

test("the key is in no URL, no error, no log and no view of the client", async (t) => {
  const logged = ["error", "warn", "log", "info", "debug"].map((level) => t.mock.method(console, level, () => {}));
  const { api, clock, client, watch, watchAll } = await setUp(t);
  const errors = [];
  for (const answer of [hangUp, page(502), page(200), problem(401, "unauthorized"), (_, response) => response.writeHead(302, { Location: "/" }).end()]) {
    api.on(/./, answer);
    errors.push(await failure(client.get("g1")));
  }
  const told = [watch("g1"), watchAll()];
  await until(() => told.every((one) => one.errors.length === 1));
  clock.advance(60_000);
  await api.stop();
  errors.push(await failure(client.get("g1")), ...told.flatMap((one) => one.errors));
  await api.start();
  const seen = inspect([client, told, errors, logged.map(({ mock }) => mock.calls), api.requests.map(({ url }) => url)], { depth: 20, showHidden: true });
  assert.match(seen, /ECONN/, "causes are in it");
  assert.ok(!seen.includes(KEY));
  assert.ok(!JSON.stringify([client, errors]).includes(KEY));
});
