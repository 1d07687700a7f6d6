/** A small API over real sockets that keeps generations in memory, and answers as a test wants it to. */

import { createServer } from "node:http";

export const KEY = "vp_a-key-that-must-never-be-seen";
const FINAL = ["completed", "failed", "cancelled"];

export class FakeApi {
  /** Every request, in order: {method, path, query, headers, body, at}. */
  requests = [];
  /** Requests under way now and at most, by "METHOD path". */
  open = new Map();
  mostOpen = new Map();
  /** What streams of events begin with. */
  preamble = ": welcome\n\n";
  /** Whether an owner's stream can be resumed. */
  canResume = true;
  #generations = new Map();
  #log = [];
  #streams = new Set();
  #rules = [];
  #server = null;
  #port = 0;

  constructor(now = () => Date.now()) {
    this.now = now;
  }

  /** Begins to answer, on the port it had before if none is given. */
  async start(port = this.#port) {
    this.#server = createServer((request, response) => this.#receive(request, response));
    await new Promise((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    this.#port = this.#server.address().port;
    return this;
  }

  /** As when the process is killed: every connection is torn down, the data stays. */
  async stop() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  // -- what a test says ---------------------------------------------------------------------------------------------

  /** Answers requests whose "METHOD /path" matches in another way; the newest rule goes first. Returns what removes it. */
  on(pattern, answer, { times = Infinity } = {}) {
    const rule = { pattern, answer, times };
    this.#rules.unshift(rule);
    return () => (rule.times = 0);
  }

  add(id, { version = 1, status = "processing", progress = 0, ...more } = {}) {
    this.#generations.set(id, [{ id, version, kind: "accepted", status, progress, at: "2026-11-21T10:00:00+00:00", ...more }]);
  }

  /** Moves a generation on, and tells all streams that follow it. */
  change(id, change) {
    const history = this.#generations.get(id);
    const { id: _, version, status, progress, project_id, at } = history.at(-1);
    const event = { id, version: version + 1, kind: "progress", status, progress, at, ...(project_id && { project_id }), ...change };
    history.push(event);
    this.#log.push(event);
    for (const stream of this.#streams) stream.tell(event, this.#log.length);
  }

  /** Writes to all open streams. */
  write(text) {
    for (const { response } of this.#streams) response.write(text);
  }

  /** Ends all open streams, as a server does that stops in good order. */
  endStreams() {
    for (const { response } of this.#streams) response.end();
  }

  get streams() {
    return this.#streams.size;
  }

  /** The requests whose "METHOD /path" matches. */
  to(pattern) {
    return this.requests.filter(({ method, path }) => pattern.test(`${method} ${path}`));
  }

  // -- how it answers -----------------------------------------------------------------------------------------------

  async #receive(request, response) {
    const url = new URL(request.url, this.url);
    const name = `${request.method} ${url.pathname}`;
    this.#count(name, response);
    const body = await textOf(request);
    const query = Object.fromEntries(url.searchParams);
    const asked = { method: request.method, path: url.pathname, url: request.url, query, headers: request.headers, body, at: this.now() };
    this.requests.push(asked);
    const rule = this.#rules.find(({ pattern, times }) => times > 0 && pattern.test(name));
    if (rule) rule.times--;
    const answer = rule?.answer ?? (request.headers.authorization === `Bearer ${KEY}` ? this.usual : problem(401, "unauthorized"));
    await answer.call(this, asked, response);
  }

  #count(name, response) {
    const open = (this.open.get(name) ?? 0) + 1;
    this.open.set(name, open);
    this.mostOpen.set(name, Math.max(open, this.mostOpen.get(name) ?? 0));
    response.on("close", () => this.open.set(name, this.open.get(name) - 1));
  }

  /** What it answers where no rule says otherwise. */
  usual(asked, response) {
    const { method, path } = asked;
    const [, id, action] = /^\/v1\/generations\/([\w-]+)(?:\/(\w+))?$/.exec(path) ?? [];
    if (path === "/v1/events") return this.#ownerEvents(asked, response);
    if (path === "/v1/generations" && method === "POST") return this.#submit(asked, response);
    if (path === "/v1/generations") return this.#list(asked, response);
    if (id === "status" && !action) return this.#statuses(asked, response);
    if (!this.#generations.has(id)) return problem(404, "not_found").call(this, asked, response);
    if (method === "POST") return json({ id: `${id}-${action}`, status: "pending", new: true }, { status: 202 })(asked, response);
    if (action === "status") return this.#status(id, asked, response);
    if (action === "events") return this.#events(id, asked, response);
    return json({ ...this.#generations.get(id).at(-1), prompt: "a fox" })(asked, response);
  }

  #submit(asked, response) {
    json({ id: "new-1", status: "pending", new: true }, { status: 202 })(asked, response);
  }

  #list({ query }, response) {
    const all = [...this.#generations.values()].map((history) => history.at(-1)).reverse();
    const fitting = all.filter(({ project_id }) => !query.project || project_id === query.project);
    const start = Number(query.cursor ?? 0);
    const end = start + Number(query.limit ?? 50);
    const items = fitting.slice(start, end).map(({ kind, late, ...one }) => ({ error: null, stage: null, result: late ? { late } : null, ...one }));
    json({ items, next: end < fitting.length ? String(end) : null })(null, response);
  }

  #statuses({ query }, response) {
    const ids = query.ids.split(",");
    const generations = ids.filter((id) => this.#generations.has(id)).map((id) => statusOf(this.#generations.get(id).at(-1)));
    json({ generations, not_found: ids.filter((id) => !this.#generations.has(id)) })(null, response);
  }

  #status(id, asked, response) {
    const now = this.#generations.get(id).at(-1);
    const headers = { ETag: `W/"${now.version}"` };
    const known = asked.headers["if-none-match"]?.replace("W/", "");
    if (known === `"${now.version}"`) return response.writeHead(304, headers).end();
    return json(statusOf(now), { headers })(asked, response);
  }

  #events(id, asked, response) {
    const history = this.#generations.get(id);
    const last = asked.headers["last-event-id"];
    const missed = last === undefined ? [{ ...history.at(-1), kind: "snapshot" }] : history.filter(({ version }) => version > last);
    if (!missed.length && FINAL.includes(history.at(-1).status)) return response.writeHead(204).end();
    const tell = (event) => {
      if (event.id !== id) return;
      response.write(frame("generation", event.version, event));
      if (FINAL.includes(event.status)) response.end();
    };
    this.#stream(response, tell);
    return missed.forEach(tell);
  }

  #ownerEvents({ query, headers }, response) {
    const since = headers["last-event-id"];
    const resumed = since !== undefined && this.canResume;
    const tell = (event, cursor) => {
      if (!query.project || query.project === event.project_id) response.write(frame("generation", cursor, event));
    };
    this.#stream(response, tell);
    response.write(frame("ready", this.#log.length, { resumed }));
    if (resumed) this.#log.slice(since).forEach((event, index) => tell(event, Number(since) + index + 1));
  }

  #stream(response, tell) {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(this.preamble);
    const stream = { response, tell };
    this.#streams.add(stream);
    response.on("close", () => this.#streams.delete(stream));
  }
}

function statusOf({ id, status, progress, video_url, error, ...more }) {
  const { eta_s, eta_p90_s, elapsed_s, next_check_s, checks } = more;
  return { id, status, progress, video_url, error, eta_s, eta_p90_s, elapsed_s, next_check_s, checks };
}

export function frame(type, id, data) {
  return `event: ${type}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}

async function textOf(request) {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk;
  return text;
}

// -- other answers ----------------------------------------------------------------------------------------------------

export function json(body, { status = 200, headers = {} } = {}) {
  return (_, response) => response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
}

export function problem(status, code, { retryAfter, ...more } = {}) {
  const headers = { "Content-Type": "application/problem+json", ...(retryAfter !== undefined && { "Retry-After": String(retryAfter) }) };
  return json({ type: `urn:vidpoll:problem:${code}`, title: "No", status, detail: `no: ${code}`, code, ...more }, { status, headers });
}

/** Something that is neither JSON nor a stream of events, as from a proxy. */
export function page(status) {
  return (_, response) => response.writeHead(status, { "Content-Type": "text/html" }).end("<h1>a proxy</h1>");
}

/** Tears the connection down. */
export function hangUp(_, response) {
  response.destroy();
}

/** Never answers. */
export function noAnswer() {}

/** Begins a stream of events, and never sends a byte of it. */
export function heldBack(_, response) {
  response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
}

/** A stream of events that has this text, and goes on or ends. */
export function stream(text, { ends = false } = {}) {
  return (_, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" }).write(text);
    if (ends) response.end();
  };
}

/** Answers as usual, once it is allowed to. */
export function held() {
  let release;
  const allowed = new Promise((resolve) => (release = resolve));
  async function answer(asked, response) {
    await allowed;
    if (!response.destroyed) this.usual(asked, response);
  }
  return { answer, release };
}
