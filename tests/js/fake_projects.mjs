/** A project at the fake API: its document, which a test changes, and the generations its events are of. */

import { json } from "./fake_api.mjs";

export class FakeProject {
  /** What `Retry-After` says while it runs; nothing if undefined. */
  retryAfter = 2;
  #api;
  #version = 1;
  #steps = 0;
  #document;

  constructor(api, id = "p1") {
    this.#api = api;
    this.#document = { project_id: id, name: "lions", status: "running", progress: 0, stage: "waiting to start", steps: [] };
    this.path = new RegExp(`GET /v1/projects/${id}$`);
    api.add(`${id}-g`, { project_id: id });
    api.on(this.path, (asked, response) => this.#answer(asked, response));
  }

  /** As when a step begins or ends: its version grows; `loudly` with an event of one of its generations. */
  change(change, { loudly = true } = {}) {
    this.#version++;
    this.#document = { ...this.#document, ...change };
    if (loudly) this.stir();
  }

  /** As when a step's generation tells progress: the version stays, that of the step grows. */
  changeStep(change) {
    this.#steps++;
    this.#document = { ...this.#document, ...change };
    this.stir();
  }

  /** An event of one of its generations. */
  stir() {
    this.#api.change(`${this.#document.project_id}-g`, {});
  }

  /** As what a server says that has gone back in time. */
  goBack() {
    this.#version--;
  }

  get asked() {
    return this.#api.to(this.path);
  }

  #answer(asked, response) {
    const etag = `W/"${this.#version}.${this.#steps}"`;
    const isRunning = this.#document.status === "running";
    const headers = { ETag: etag, ...(isRunning && this.retryAfter && { "Retry-After": String(this.retryAfter) }) };
    if (asked.headers["if-none-match"] === etag) return response.writeHead(304, headers).end();
    return json({ ...this.#document, version: this.#version }, { headers })(asked, response);
  }
}
