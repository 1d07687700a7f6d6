/** A project file that is chosen or dropped: what is in it is said first, then it is sent; everything wrong is told at once. */

import { make, write } from "./dom.js";
import { sentences } from "./words.js";

const form = document.getElementById("project-form");
const field = document.getElementById("project-file");
const chosen = document.getElementById("project-chosen");
const problems = document.getElementById("project-problems");
const button = document.getElementById("submit-project");

let submit;
let project = null;
let busy = false;

/** @param submitted sends a project: `(project) => Promise<SubmittedProject>` */
export function startProjectForm(submitted) {
  submit = submitted;
  field.addEventListener("change", () => take(field.files[0]));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  // All over the page: a browser opens, in place of the page, a file that misses its target.
  window.addEventListener("dragover", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    form.classList.add("dropping");
  });
  window.addEventListener("dragleave", (event) => event.relatedTarget || form.classList.remove("dropping"));
  window.addEventListener("drop", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    form.classList.remove("dropping");
    if (form.checkVisibility()) take(event.dataTransfer.files[0]);
  });
}

const hasFile = (event) => event.dataTransfer?.types.includes("Files");

async function take(file) {
  if (!file || busy) return;
  forget();
  try {
    project = JSON.parse(await file.text());
    if (!Array.isArray(project?.steps)) throw new TypeError("it has no list of steps");
  } catch (error) {
    project = null;
    show([`${file.name} is no project file: ${error.message}.`]);
  }
  field.value = ""; // the same file, mended, is a change too
  if (!project) return;
  const paid = project.steps.filter((step) => !step?.local).length;
  const count = project.steps.length === 1 ? "1 step" : `${project.steps.length} steps`;
  write(chosen, `${file.name}: ${project.name ?? "without a name"}, ${count}, ${paid} of them paid.`);
  button.hidden = false;
  button.focus();
}

async function send() {
  if (!project || busy) return;
  busy = true;
  button.ariaDisabled = "true";
  show([]);
  try {
    await submit(project);
    forget();
  } catch (error) {
    if (error.code !== "unauthorized" && error.code !== "forbidden") show(sentences(error));
  } finally {
    busy = false;
    button.ariaDisabled = "false";
  }
}

function forget() {
  project = null;
  write(chosen, "");
  button.hidden = true;
  show([]);
}

function show(words) {
  problems.replaceChildren(...words.map((text) => make("li", "", text)));
}
