/** The part of the page that is about projects: their list, or the one that is open, as the address says. */

import { OpenProject } from "./project.js";
import { ProjectList } from "./projects.js";
import { toast } from "./toasts.js";
import { addressOf, showView } from "./views.js";

export class ProjectPart {
  #api;
  #key;
  #list;
  #open = null;
  #view = null;

  /**
   * @param {import("./vidpoll.js").Vidpoll} api
   * @param {{checked: Function, refused: Function}} key `checked` passes on a call that writes; `refused` gets an error that is about the key
   */
  constructor(api, key) {
    this.#api = api;
    this.#key = key;
    this.#list = new ProjectList(api, key.refused);
  }

  stop() {
    this.#open?.close();
    this.#list.stop();
  }

  /** Show what the address names; who came from elsewhere in the page finds the focus there. */
  show(view) {
    const before = this.#view;
    if (before?.name === view.name && before.id === view.id) return;
    this.#view = view;
    this.#open?.close();
    this.#open = null;
    document.title = "vidpoll";
    showView(view);
    if (view.name === "project") this.#open = new OpenProject(view.id, this.#api, this.#key);
    if (view.name === "projects") this.#list.show();
    if (!before) return;
    window.scrollTo(0, 0);
    if (view.name === "project") this.#open.focus();
    if (view.name === "projects" && before.name === "project") this.#list.focus(before.id);
  }

  /** Something of this project changed. */
  stirred(id) {
    this.#list.stirred(id);
    if (this.#open?.id === id) this.#open.stirred();
  }

  /** Once a second. */
  tick() {
    if (this.#view?.name === "projects") this.#list.tick();
    this.#open?.tick();
  }

  async submit(project) {
    const { project_id: id, new: isNew } = await this.#key.checked(this.#api.submitProject(project));
    if (!isNew) toast("status", "It was there already: nothing is paid.");
    this.#list.stirred(id);
    location.hash = addressOf(id);
  }
}
