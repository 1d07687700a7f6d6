/** The list of projects. It is asked for anew when something of one changed, and now and then while one runs. */

import { ProjectRow } from "./project-row.js";
import { sentences } from "./words.js";

const PAGE = 30;
/** Milliseconds between two questions: when something changed; when nothing is known to have, while one runs. */
const CHANGED_MS = 1500;
const RUNNING_MS = 5000;
/** Projects beyond the newest page that are asked for one by one. */
const MOST_ASKED = 5;

const element = document.getElementById("projects");
const message = document.getElementById("projects-message");
const older = document.getElementById("older-projects");
const section = document.getElementById("projects-section");

export class ProjectList {
  #api;
  #refused;
  #rows = new Map();
  /** Ids of projects of which something changed since they were asked for. */
  #stirred = new Set();
  #next = null;
  #askedAt = -Infinity;
  #waitMs = 0;
  #isAsking = false;
  #stopped = false;
  #listening = new AbortController();

  /** @param {import("./vidpoll.js").Vidpoll} api @param {(error: Error) => void} refused with an error that trying again does not mend */
  constructor(api, refused) {
    this.#api = api;
    this.#refused = refused;
    older.addEventListener("click", () => this.#loadOlder(), { signal: this.#listening.signal });
  }

  /** Forget everything: another key may be another owner. */
  stop() {
    this.#stopped = true;
    this.#listening.abort();
    element.replaceChildren();
    older.hidden = true;
    message.textContent = "";
  }

  /** Something of this project changed. */
  stirred(id) {
    this.#stirred.add(id);
  }

  /** It came into view: ask at once. */
  show() {
    this.#askedAt = -Infinity;
    if (!this.#rows.size) message.textContent = "Loading …";
    this.tick();
  }

  /** Put the focus where somebody comes back from this project to. */
  focus(id) {
    (this.#rows.get(id)?.heading ?? section).focus();
  }

  /** Once a second, while it is shown. */
  tick() {
    for (const row of this.#rows.values()) if (isRunning(row)) row.tick();
    const passed = performance.now() - this.#askedAt;
    const due = this.#stirred.size ? CHANGED_MS : [...this.#rows.values()].some(isRunning) ? RUNNING_MS : Infinity;
    if (!document.hidden && passed >= Math.max(due, this.#waitMs)) this.#ask(() => this.#renew());
  }

  #loadOlder() {
    this.#ask(async () => this.#take(await this.#page(this.#next)));
  }

  /** The newest page, and what changed beyond it. */
  async #renew() {
    const stirred = new Set(this.#stirred);
    this.#stirred.clear();
    const page = await this.#page();
    const isFirst = !this.#rows.size;
    this.#take({ items: page.items, next: isFirst ? page.next : this.#next });
    const told = new Set(page.items.map(({ project_id: id }) => id));
    const beyond = [...this.#rows.values()].filter((row) => !told.has(row.project.project_id));
    const stale = beyond.filter((row) => isRunning(row) || stirred.has(row.project.project_id)).slice(0, MOST_ASKED);
    for (const { project } of stale) this.#place(await this.#api.project(project.project_id));
  }

  /** One question at a time. While it fails for want of the service, it is tried again. */
  async #ask(question) {
    if (this.#isAsking || this.#stopped) return;
    this.#isAsking = true;
    section.ariaBusy = "true";
    try {
      await question();
      this.#waitMs = 0;
      if (!this.#stopped) message.textContent = this.#rows.size ? "" : "No projects yet.";
    } catch (error) {
      if (this.#stopped) return;
      if (!this.#rows.size) message.textContent = sentences(error).join(" ");
      this.#waitMs = Math.max(RUNNING_MS, (error.retryAfter ?? 0) * 1000);
      this.stirred("");
      if (!error.retryable) this.#refused(error);
    } finally {
      this.#isAsking = false;
      this.#askedAt = performance.now();
      section.ariaBusy = "false";
    }
  }

  #page(cursor) {
    return this.#api.listProjects({ cursor: cursor ?? undefined, limit: PAGE });
  }

  #take({ items, next }) {
    if (this.#stopped) return;
    for (const item of items) this.#place(item);
    this.#next = next;
    older.hidden = next === null;
  }

  #place(project) {
    if (this.#stopped) return;
    const known = this.#rows.get(project.project_id);
    if (known) return known.update(project);
    const row = new ProjectRow(project);
    const isOlder = (one) => this.#rows.get(one.dataset.id).project.created_at < project.created_at;
    element.insertBefore(row.element, [...element.children].find(isOlder) ?? null);
    this.#rows.set(project.project_id, row);
  }
}

const isRunning = ({ project }) => project.status === "running";
