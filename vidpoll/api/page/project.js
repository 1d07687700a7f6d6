/** The project that is open: how it stands, its buttons, its steps in order. It is followed until it ends, and anew when it goes on. */

import { make, write } from "./dom.js";
import { ProjectRow } from "./project-row.js";
import { Step } from "./step.js";
import { toast } from "./toasts.js";
import { sentences } from "./words.js";

const section = document.getElementById("project-section");
const message = document.getElementById("project-message");
const summary = document.getElementById("project-summary");
const list = document.getElementById("steps");

/** Whether it runs, and is not to end. */
const mayAct = ({ status, cancelAsked }) => status === "running" && !cancelAsked;

/** The buttons: when each is of use, what it says, what calls it, and what is said when that was done. */
const ACTIONS = {
  retry: {
    label: ({ failed, cancelled }) => {
      const what = [failed && "failed", cancelled && "was cancelled"].filter(Boolean).join(" or ");
      return what ? `Retry what ${what} (${failed + cancelled})` : "Retry";
    },
    hint: "What failed or was cancelled is asked for anew, and paid anew. What is completed stays.",
    fits: (one) => ["failed", "cancelled"].includes(one.status) || (one.failed + one.cancelled > 0 && mayAct(one)),
    call: "retryProject",
    done: ({ retried }) => (retried.length ? `Tried again: ${retried.join(", ")}.` : "There was nothing to try again."),
  },
  cancel: {
    label: () => "Cancel",
    hint: "Nothing more is started; what runs is cancelled, as far as providers can.",
    fits: mayAct,
    call: "cancelProject",
    done: () => "Nothing more is started. Where the provider cannot cancel, what runs is made all the same.",
  },
};

export class OpenProject {
  #id;
  #api;
  #act;
  #row = null;
  #steps = new Map();
  #buttons = {};
  #watch = null;
  #cancelAsked = false;

  /**
   * @param {import("./vidpoll.js").Vidpoll} api
   * @param {(call: Promise) => Promise} checked tells what a call that writes says of the key
   * @param {(error: Error) => void} refused with an error that is about the key
   */
  constructor(id, api, { checked, refused }) {
    this.#id = id;
    this.#api = api;
    this.#act = checked;
    this.refused = refused;
    write(message, "Loading …");
    this.#follow();
  }

  get id() {
    return this.#id;
  }

  close() {
    this.#watch.cancel();
    this.#watch = null;
    for (const step of this.#steps.values()) step.remove();
    summary.replaceChildren();
    summary.hidden = true;
    write(message, "");
  }

  /** Put the focus where reading begins. */
  focus() {
    (this.#row?.heading ?? section).focus();
  }

  /** Something of it changed: one that had ended goes on, by a retry or a video that came late. */
  stirred() {
    if (this.#watch?.mode === "ended" && this.#row) this.#follow();
  }

  /** Once a second. */
  tick() {
    if (this.#row?.project.status === "running") this.#row.tick();
  }

  #follow() {
    const told = (name) => (value) => watch === this.#watch && name.call(this, value);
    const watch = this.#api.followProject(this.#id, {
      onUpdate: told(this.#update),
      onError: told(this.#failed),
    });
    this.#watch = watch;
  }

  #update(project) {
    const before = this.#row?.project.status;
    if (project.status !== "running" || before !== "running") this.#cancelAsked = false;
    write(message, "");
    if (!this.#row) this.#build(project);
    this.#row.update(project);
    for (const step of project.steps) this.#updateStep(step, project);
    this.#offerButtons();
    if (before === "running" && project.status !== "running") announce(project);
  }

  #updateStep(step, project) {
    const known = this.#steps.get(step.key);
    if (known) return known.update(step, project);
    const made = new Step(step, project);
    this.#steps.set(step.key, made);
    list.append(made.element);
  }

  #failed(error) {
    if (error.code === "unauthorized" || error.code === "forbidden") return this.refused(error);
    const words = error.code === "not_found" || error.code === "invalid_request" ? ["There is no such project here."] : sentences(error);
    if (!this.#row || !error.retryable) write(message, words.join(" "));
  }

  #build(project) {
    this.#row = new ProjectRow(project, { tag: "div", heading: "h2", isLink: false });
    document.title = `${project.name} · vidpoll`;
    const buttons = make("div", "actions");
    for (const [name, { hint }] of Object.entries(ACTIONS)) {
      const button = make("button", "small");
      button.type = "button";
      button.title = hint;
      button.dataset.writes = "";
      button.setAttribute("aria-describedby", this.#row.heading.id);
      button.addEventListener("click", () => this.#press(name, button));
      this.#buttons[name] = button;
      buttons.append(button);
    }
    buttons.append(detailsOf(project));
    this.#row.element.append(buttons);
    summary.replaceChildren(this.#row.element);
    summary.hidden = false;
    if (document.activeElement === section) this.focus(); // who opened it has waited there
  }

  #offerButtons() {
    const standing = { ...this.#row.project, cancelAsked: this.#cancelAsked };
    for (const [name, { fits, label }] of Object.entries(ACTIONS)) {
      const button = this.#buttons[name];
      if (!fits(standing) && button === document.activeElement) this.focus();
      button.hidden = !fits(standing);
      if (!button.hidden && button.textContent !== label(standing)) button.textContent = label(standing);
    }
  }

  async #press(name, button) {
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    try {
      const outcome = await this.#act(this.#api[ACTIONS[name].call](this.#id));
      toast("status", ACTIONS[name].done(outcome));
      if (!this.#watch) return; // it was closed meanwhile
      this.#cancelAsked = name === "cancel";
      this.#offerButtons();
      this.stirred();
    } catch (error) {
      toast("alert", sentences(error).join(" "));
    } finally {
      button.ariaDisabled = "false";
    }
  }
}

function detailsOf(project) {
  const details = make("details", "details");
  const facts = make("dl", "facts");
  const entries = {
    Id: project.project_id,
    "At once": project.max_parallel ?? "no limit",
    Pace: project.pace_s ? `${project.pace_s} s between two starts` : "none",
    "On failure": project.on_failure,
  };
  for (const [name, value] of Object.entries(entries)) facts.append(make("dt", "", name), make("dd", "", String(value)));
  details.append(make("summary", "", "Details"), facts);
  return details;
}

function announce({ status, name, stage }) {
  if (status === "completed") toast("status", `The project is complete: ${name}`);
  else toast("alert", `The project has ended: ${name}. ${stage}.`);
}
