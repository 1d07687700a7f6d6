/** One step of a project that is open. It is made once and changed in place. */

import { make, write } from "./dom.js";
import { lastingUrl, typeOf } from "./media.js";
import { Player } from "./player.js";
import { stepWords, titleOf } from "./project-words.js";
import { resultElement } from "./result.js";
import { failureWords, statusWord } from "./words.js";

export class Step {
  element = make("li", "step");
  #parts = {};
  #player = new Player();
  #shown = "";
  #result = null;

  constructor(step, project) {
    this.#build(step);
    this.update(step, project);
  }

  /** Whether somebody is at it: its video plays. */
  get playing() {
    return this.#player.playing;
  }

  update(step, project) {
    this.#updateWords(step, project);
    const text = JSON.stringify(step);
    if (text === this.#shown) return;
    this.#shown = text;
    const { status, error, attempt } = step;
    this.element.dataset.status = status;
    write(this.#parts.status, statusWord(status));
    write(this.#parts.attempt, attempt ? `tried again ${attempt === 1 ? "once" : `${attempt} times`}` : "");
    write(this.#parts.error, status === "failed" && error ? failureWords(error) : "");
    this.#updateProgress(step);
    const url = lastingUrl(step);
    if (status === "completed" && url) this.#player.show(url, titleOf(step), typeOf(step), step.video_url);
    else this.#player.hide();
    this.#showResult(step);
  }

  remove() {
    this.#player.forget();
    this.element.remove();
  }

  /** What it waits for changes with the others. */
  #updateWords(step, project) {
    write(this.#parts.stage, stepWords(step, project));
  }

  #build(step) {
    const parts = this.#parts;
    const heading = make("h3", "name", titleOf(step));
    heading.id = `step-${step.key}`;
    parts.status = make("span", "status");
    parts.attempt = make("span");
    const head = make("p", "row-head");
    head.append(parts.status, parts.attempt);
    const target = make("p", "target");
    const key = make("span", "key", step.key);
    key.hidden = !step.title; // else it is the heading
    target.append(key, make("span", "", step.model ?? "done here"));
    parts.bar = make("progress", "bar");
    parts.bar.max = 100;
    parts.bar.setAttribute("aria-labelledby", heading.id);
    parts.percent = make("span", "percent");
    parts.progress = make("div", "progress");
    parts.progress.append(parts.bar, parts.percent);
    parts.error = make("p", "error");
    parts.stage = make("p", "how");
    this.element.append(head, heading, target, parts.progress, parts.error, parts.stage, this.#player.element);
  }

  #updateProgress({ status, progress }) {
    const { bar, percent } = this.#parts;
    this.#parts.progress.hidden = !["submitting", "processing", "unknown"].includes(status);
    if (progress > 0) bar.value = progress;
    else bar.removeAttribute("value"); // the provider has told none
    write(percent, progress > 0 ? `${progress} %` : "");
  }

  #showResult({ local, status, result }) {
    this.#result?.remove();
    this.#result = local && status === "completed" ? resultElement(result) : null;
    this.element.classList.toggle("wide", this.#result !== null);
    if (this.#result) this.element.append(this.#result);
  }
}
