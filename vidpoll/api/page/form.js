/** The form for a new video. What is typed outlives errors and reloads; the same request is paid once. */

import { excerpt, sentences } from "./words.js";

const PROMPT_LIMIT = 20_000;
const DRAFT = "vidpoll-draft";
/** Milliseconds after a success in which a second click is taken for a double click. */
const DOUBLE_CLICK_MS = 700;

/** Suggestions: the models of the configuration as shipped; those met in the list are added. */
const MODELS = {
  runware: ["google:3@3", "google:3@2"],
  replicate: ["google/veo-3-fast", "google/veo-3"],
  veo: ["veo-3.1-lite-generate-001", "veo-3.1-generate-001", "veo-3.1-generate-preview"],
  fal: ["fal-ai/veo3.1/fast", "fal-ai/veo3.1"],
  gemini_omni: ["gemini-omni-1.2-flash", "gemini-omni-1.1-flash"],
  kling: ["kling-v2-6", "kling-v2-5-turbo", "kling-v2-1-master", "kling-v1-6"],
  luma: ["ray-2", "ray-flash-2"],
  minimax: ["MiniMax-Hailuo-2.3", "MiniMax-Hailuo-02"],
  openai_videos: ["sora-2", "sora-2-pro"],
  runway: ["veo3.1_fast", "veo3.1", "gen4.5"],
};

const form = document.getElementById("form");
const problems = document.getElementById("form-problems");
const status = document.getElementById("form-status");
const button = document.getElementById("submit");
const counter = document.getElementById("counter");
const { provider, model, prompt, params, project, priority } = form.elements;
const texts = { provider, model, prompt, params, project, priority };

let submit;
let busy = false;
/** The request under way or failed, and its idempotency key: the same request gets the same key until it succeeded. */
let attempt = null;

/** @param submitted sends a request: `(request, idempotencyKey) => Promise<Submitted>` */
export function startForm(submitted) {
  submit = submitted;
  provider.append(...Object.keys(MODELS).map((name) => new Option(name)));
  model.value = MODELS[provider.value][0];
  restore();
  suggest();
  count();
  provider.addEventListener("change", () => {
    const isSuggestion = Object.values(MODELS).some((names) => names.includes(model.value));
    if (!model.value || isSuggestion) model.value = MODELS[provider.value][0];
    suggest();
  });
  form.addEventListener("input", () => {
    count();
    save();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

/** Suggest a model that is in use here. */
export function alsoSuggest({ provider: name, model: met }) {
  if (!MODELS[name] || MODELS[name].includes(met)) return;
  MODELS[name].push(met);
  suggest();
}

/** Take the form out of use, or into use again. */
export function setReadOnly(isReadOnly) {
  document.getElementById("fields").disabled = isReadOnly;
  document.getElementById("read-only").textContent = isReadOnly
    ? "This key may only read. To ask for videos, forget it and enter one that may write."
    : "";
}

async function send() {
  if (busy) return;
  const { request, wrong } = read();
  show(wrong);
  if (wrong.length) return;
  busy = true;
  button.ariaDisabled = "true";
  status.textContent = "Submitting …";
  const text = JSON.stringify(request);
  if (attempt?.text !== text) attempt = { text, key: makeKey() };
  save();
  try {
    const { new: isNew } = await submit(request, attempt.key);
    attempt = null;
    if (JSON.stringify(read().request) === text) prompt.value = "";
    count();
    status.textContent = `${isNew ? "Submitted" : "Was submitted before"}: ${excerpt(request.prompt, 40)}`;
    await new Promise((done) => setTimeout(done, DOUBLE_CLICK_MS));
  } catch (error) {
    status.textContent = "";
    if (error.code === "idempotency_conflict") attempt = null;
    if (!isAboutKey(error)) show(sentences(error).map((sentence) => ({ sentence })));
  } finally {
    save();
    busy = false;
    button.ariaDisabled = "false";
  }
}

/** The page says elsewhere what is wrong with a key. */
const isAboutKey = ({ code }) => code === "unauthorized" || code === "forbidden";

/** The request as typed, and what is wrong with it. */
function read() {
  const request = { provider: provider.value, model: model.value.trim(), prompt: prompt.value };
  const wrong = [];
  const refuse = (field, sentence) => wrong.push({ field, sentence });
  if (!request.model) refuse(model, "Choose a model.");
  if (!request.prompt.trim()) refuse(prompt, "Write a prompt: what should the video show?");
  const over = lengthOf(request.prompt) - PROMPT_LIMIT;
  if (over > 0) refuse(prompt, `The prompt is ${over.toLocaleString("en")} characters too long.`);
  if (params.value.trim()) {
    try {
      request.params = JSON.parse(params.value);
    } catch (error) {
      refuse(params, `The parameters are not valid JSON: ${error.message}.`);
    }
    if (request.params !== undefined && Object.prototype.toString.call(request.params) !== "[object Object]") {
      refuse(params, 'The parameters must be a JSON object, like {"durationSeconds": 8}.');
    }
  }
  if (project.value.trim()) request.project_id = project.value.trim();
  if (priority.value.trim()) {
    request.priority = Number(priority.value);
    if (!/^[0-9]$/.test(priority.value.trim())) refuse(priority, "The priority is a whole number from 0 to 9.");
  }
  return { request, wrong };
}

/** Show what is wrong, one sentence each, and go to the first field it is in. */
function show(wrong) {
  problems.replaceChildren(
    ...wrong.map(({ sentence }) => {
      const item = document.createElement("li");
      item.textContent = sentence;
      return item;
    }),
  );
  if (wrong.length) status.textContent = "";
  for (const field of Object.values(texts)) {
    field.ariaInvalid = wrong.some((one) => one.field === field) ? "true" : null;
  }
  const first = wrong.find(({ field }) => field)?.field;
  if (first?.closest("details")) first.closest("details").open = true;
  first?.focus();
}

function suggest() {
  document.getElementById("models").replaceChildren(...MODELS[provider.value].map((name) => new Option("", name)));
}

function count() {
  const length = lengthOf(prompt.value);
  counter.textContent = `${length.toLocaleString("en")} / ${PROMPT_LIMIT.toLocaleString("en")}`;
  counter.classList.toggle("over", length > PROMPT_LIMIT);
}

/** Characters as the service counts them: an emoji outside the basic plane is one. */
function lengthOf(text) {
  return text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0);
}

/** Works in pages that are not served over HTTPS too, where crypto.randomUUID is missing. */
function makeKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function save() {
  const values = Object.fromEntries(Object.entries(texts).map(([name, { value }]) => [name, value]));
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify({ values, attempt }));
  } catch {
    // a text too long to be kept is still in its field
  }
}

function restore() {
  try {
    const draft = JSON.parse(sessionStorage.getItem(DRAFT)) ?? { values: {} };
    for (const [name, value] of Object.entries(draft.values)) texts[name].value = value;
    attempt = draft.attempt ?? null;
    document.getElementById("advanced").open = [params, project, priority].some(({ value }) => value);
  } catch {
    sessionStorage.removeItem(DRAFT);
  }
}
