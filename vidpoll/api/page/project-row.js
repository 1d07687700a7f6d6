/** How a project stands, in short: in the list, where it leads to the project, and on top of its own view. */

import { make, write } from "./dom.js";
import { countWords } from "./project-words.js";
import { now } from "./service.js";
import { addressOf } from "./views.js";
import { dateWords, statusWord, timeWords } from "./words.js";

export class ProjectRow {
  element;
  #project;
  #parts = {};

  /** @param {object} project @param {{tag?: string, heading?: string, isLink?: boolean}} [form] */
  constructor(project, { tag = "li", heading = "h3", isLink = true } = {}) {
    this.element = make(tag, "project");
    this.element.dataset.id = project.project_id;
    this.#build(project, heading, isLink);
    this.update(project);
  }

  get project() {
    return this.#project;
  }

  /** What takes the focus: the link, or the heading itself. */
  get heading() {
    return this.#parts.name;
  }

  update(project) {
    this.#project = project;
    this.element.dataset.status = project.status;
    write(this.#parts.status, statusWord(project.status));
    write(this.#parts.counts, countWords(project));
    write(this.#parts.stage, project.status === "running" ? project.stage : ""); // else the counts say the same
    write(this.#parts.percent, `${project.progress} %`);
    this.#parts.bar.value = project.progress;
    this.tick();
  }

  /** What changes with time alone. */
  tick() {
    write(this.#parts.time, timeWords(this.#project, now()));
  }

  #build({ project_id: id, name, created_at: created }, level, isLink) {
    const parts = this.#parts;
    const heading = make(level, "name");
    heading.id = `${level}-${id}`;
    parts.name = isLink ? make("a", "", name) : heading;
    if (isLink) {
      parts.name.href = addressOf(id);
      heading.append(parts.name);
    } else {
      heading.textContent = name;
      heading.tabIndex = -1;
    }
    parts.status = make("span", "status");
    parts.counts = make("span", "counts");
    const date = make("time", "date", dateWords(created));
    date.dateTime = created;
    const head = make("p", "row-head");
    head.append(parts.status, parts.counts, date);
    parts.bar = make("progress", "bar");
    parts.bar.max = 100;
    parts.bar.setAttribute("aria-labelledby", heading.id);
    parts.percent = make("span", "percent");
    const progress = make("div", "progress");
    progress.append(parts.bar, parts.percent);
    parts.stage = make("span", "stage");
    parts.time = make("span", "time");
    const how = make("p", "how");
    how.append(parts.stage, parts.time);
    this.element.append(head, heading, progress, how);
  }
}
