/** One generation in the list. It is made once and changed in place. */

import { make, write } from "./dom.js";
import { typeOf } from "./media.js";
import { Player } from "./player.js";
import { now } from "./service.js";
import { projectLink } from "./views.js";
import { dateWords, estimatedProgress, excerpt, failureWords, isFinal, sentences, stageWords, statusWord, timeWords } from "./words.js";
import { toast } from "./toasts.js";

/** Milliseconds between two checks of one generation that the service allows. */
const REFRESH_MS = 5000;

/** The buttons: when each is of use, and what is said when it was pressed. */
const ACTIONS = {
  cancel: {
    label: "Cancel",
    fits: (one) => !isFinal(one.status) && !one.cancelAsked,
    done: "Cancel asked for. Where the provider cannot cancel, the video is made all the same.",
  },
  refresh: {
    label: "Check now",
    fits: (one) => one.status === "processing" || isTimedOut(one),
    done: "The provider is being asked.",
  },
  retry: {
    label: "Try again",
    fits: (one) => ["failed", "cancelled"].includes(one.status),
    done: "Asked for anew: it is a generation of its own.",
    before: "It had been asked for anew before, so nothing was asked for now.",
  },
};

const isTimedOut = (one) => one.status === "failed" && one.error?.code === "timed_out";

export class Row {
  element = make("li", "row");
  #generation;
  #parts = {};
  #buttons = {};
  #estimate = 0;
  #player = new Player();
  #act;

  /**
   * @param {object} generation
   * @param {(name: keyof ACTIONS, id: string) => Promise<{new: boolean} | undefined>} act carries out a button
   */
  constructor(generation, act) {
    this.#act = act;
    this.#build(generation);
    this.update(generation);
  }

  get generation() {
    return this.#generation;
  }

  /** Whether somebody is at it: it holds the focus, or its video plays. */
  get isInUse() {
    return this.element.contains(document.activeElement) || this.#player.playing;
  }

  update(generation) {
    this.#generation = generation;
    const { status, error, video_url: url } = generation;
    this.element.dataset.status = status;
    write(this.#parts.status, statusWord(status));
    write(this.#parts.stage, stageWords(generation));
    write(this.#parts.error, status === "failed" && error ? failureWords(error) : "");
    if (status === "completed" && url && !url.startsWith("/")) {
      this.#player.show(url, excerpt(generation.prompt, 80), typeOf(generation));
    }
    for (const [name, { fits }] of Object.entries(ACTIONS)) this.#offer(this.#buttons[name], fits(generation));
    this.tick();
  }

  /** What changes with time alone. */
  tick() {
    write(this.#parts.time, timeWords(this.#generation, now()));
    this.#updateProgress();
  }

  remove() {
    this.#player.forget();
    this.element.remove();
  }

  #build(generation) {
    const { id, prompt, provider, model, created_at: created } = generation;
    const parts = this.#parts;
    const heading = make("h3", "prompt", excerpt(prompt, 240));
    heading.id = `prompt-${id}`;
    heading.tabIndex = -1;
    parts.heading = heading;
    parts.status = make("span", "status");
    parts.bar = make("progress", "bar");
    parts.bar.max = 100;
    parts.bar.setAttribute("aria-labelledby", heading.id);
    parts.percent = make("span", "percent");
    parts.progress = make("div", "progress");
    parts.progress.append(parts.bar, parts.percent);
    parts.stage = make("span");
    parts.time = make("span", "time");
    const how = make("p", "how");
    how.append(parts.stage, parts.time);
    parts.error = make("p", "error");
    const date = make("time", "date", dateWords(created));
    date.dateTime = created;
    const head = make("p", "row-head");
    head.append(parts.status, make("span", "target", `${provider} · ${model}`), date);
    const text = make("div", "row-text");
    text.append(head, heading, parts.progress, parts.error, how, this.#makeFoot(generation));
    this.element.append(text, this.#player.element);
  }

  #makeFoot(generation) {
    const foot = make("div", "actions");
    for (const [name, { label }] of Object.entries(ACTIONS)) {
      const button = make("button", "small", label);
      button.type = "button";
      button.dataset.writes = "";
      button.setAttribute("aria-describedby", `prompt-${generation.id}`);
      button.addEventListener("click", () => this.#press(name, button));
      this.#buttons[name] = button;
      foot.append(button);
    }
    const details = make("details", "details");
    details.append(make("summary", "", "Details"));
    details.addEventListener("toggle", () => details.open && this.#describe(details));
    foot.append(details);
    return foot;
  }

  #describe(details) {
    const { id, project_id: project, priority, seed, params, retry_of: retryOf, prompt } = this.#generation;
    const { generation_kind: kind, parent_id: parent } = this.#generation;
    const entries = { Id: id, Kind: kind, Parent: parent, Project: project, Priority: priority, Seed: seed, "Retry of": retryOf };
    if (Object.keys(params ?? {}).length) entries.Parameters = JSON.stringify(params, null, 1);
    entries.Prompt = prompt;
    const list = make("dl", "facts");
    for (const [name, value] of Object.entries(entries)) {
      if (value === undefined) continue;
      const description = make("dd");
      description.append(name === "Project" ? projectLink(value) : String(value));
      list.append(make("dt", "", name), description);
    }
    details.querySelector("dl")?.remove();
    details.append(list);
  }

  #updateProgress() {
    const { status, progress } = this.#generation;
    const { bar, percent } = this.#parts;
    this.#parts.progress.hidden = !["submitting", "processing"].includes(status);
    if (progress > 0) {
      if (bar.value !== progress || !bar.hasAttribute("value")) bar.value = progress;
    } else if (bar.hasAttribute("value")) {
      bar.removeAttribute("value"); // the provider has told none
    }
    const estimate = this.#updateEstimate();
    write(percent, progress > 0 ? `${progress} %` : estimate ? `≈ ${estimate} %, estimated` : "");
  }

  /** By time alone, while the provider tells nothing; like progress it never falls. */
  #updateEstimate() {
    const estimate = estimatedProgress(this.#generation, now());
    this.#parts.bar.classList.toggle("estimated", estimate !== null);
    if (estimate === null) return 0;
    this.#estimate = Math.max(this.#estimate, estimate);
    this.#parts.bar.style.setProperty("--estimate", `${this.#estimate}%`);
    return this.#estimate;
  }

  /** Show or hide a button; the focus of one that goes stays in the row. */
  #offer(button, fits) {
    if (!fits && button === document.activeElement) this.#parts.heading.focus();
    button.hidden = !fits;
  }

  async #press(name, button) {
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    try {
      const outcome = await this.#act(name, this.#generation.id);
      toast("status", outcome?.new === false ? ACTIONS[name].before : ACTIONS[name].done);
      if (name === "retry") button.textContent = "Tried again";
      else setTimeout(() => (button.ariaDisabled = "false"), REFRESH_MS);
    } catch (error) {
      button.ariaDisabled = "false";
      toast("alert", sentences(error).join(" "));
    }
  }
}
