/** The page: puts the key, the form, the list, the projects and the events together. */

import { Vidpoll } from "./vidpoll.js";
import { Feed } from "./feed.js";
import { alsoSuggest, setReadOnly, startForm } from "./form.js";
import { ProjectPart } from "./project-part.js";
import { askForKey, currentKey, forgetKey, isReadOnly, noteReadOnly, onKey } from "./key.js";
import { List } from "./list.js";
import { startProjectForm } from "./project-form.js";
import { typeOf } from "./media.js";
import { isReady, scopesOf } from "./service.js";
import { toast } from "./toasts.js";
import { currentView, onView } from "./views.js";
import { excerpt, sentences } from "./words.js";

const work = document.getElementById("work");
const skip = document.getElementById("skip");
const views = document.getElementById("views");
const forget = document.getElementById("forget-key");
const connection = document.getElementById("connection");

const MODES = {
  live: ["live", "Changes are shown as they happen."],
  polling: ["polling", "No event stream at the moment: changes are asked for every few seconds."],
  connecting: ["connecting …", "The event stream is being opened."],
  offline: ["offline", "The service cannot be reached. The page goes on trying."],
  ended: ["no updates", "This key may not see changes."],
};
/** Seconds between two looks whether the service can be reached, while no events come in. */
const PROBE_S = 3;

/** What a key opened; null while there is none. */
let session = null;
let seconds = 0;

function open(apiKey) {
  close();
  const api = new Vidpoll({ apiKey });
  const feed = new Feed(api, {
    changed(generation) {
      list.changed(generation);
      alsoSuggest(generation);
    },
    ended: announce,
    stirred: (id) => projects.stirred(id),
    refused,
  });
  const list = new List(feed, (name, id) => act(session, name, id));
  const projects = new ProjectPart(api, { checked, refused });
  session = { api, feed, list, projects };
  for (const element of [work, views, skip, forget, connection]) element.hidden = false;
  showReadOnly();
  projects.show(currentView());
  list.load();
  feed.start();
  tick();
  learnScopes(session, apiKey);
}

function refused(error) {
  if (error.code === "unauthorized") reject(error);
  else toast("alert", sentences(error).join(" "));
}

/** Before anything is typed in vain. If it cannot be learned now, the first call that writes tells. */
async function learnScopes(opened, apiKey) {
  const scopes = await scopesOf(apiKey);
  if (session === opened && scopes && !scopes.includes("write")) mayOnlyRead();
}

function mayOnlyRead() {
  noteReadOnly();
  showReadOnly();
}

function close() {
  session?.feed.stop();
  session?.list.stop();
  session?.projects.stop();
  session = null;
  for (const element of [work, views, skip, forget, connection]) element.hidden = true;
}

/** The key is wrong, or is no longer right. */
function reject(error) {
  close();
  forgetKey();
  askForKey(sentences(error).join(" "));
}

async function act({ api, feed }, name, id) {
  const outcome = await checked(api[name](id));
  feed.look(outcome?.id ?? id);
  return outcome;
}

async function submit(request, idempotencyKey) {
  const { api, feed } = session;
  const submitted = await checked(api.submit(request, { idempotencyKey }));
  feed.look(submitted.id);
  return submitted;
}

/** What every call that writes can tell about the key. */
async function checked(call) {
  try {
    return await call;
  } catch (error) {
    if (error.code === "unauthorized") reject(error);
    if (error.code === "forbidden") mayOnlyRead();
    throw error;
  }
}

function showReadOnly() {
  setReadOnly(isReadOnly());
  work.classList.toggle("read-only", isReadOnly());
}

function announce(generation) {
  const { status, prompt } = generation;
  const title = prompt ? `: ${excerpt(prompt, 60)}` : ".";
  switch (status) {
    case "completed":
      toast("status", `${typeOf(generation)?.startsWith("image/") ? "An image" : "A video"} is ready${title}`, {
        group: status,
        summary: (count) => `${count} results are ready.`,
      });
      break;
    case "failed":
      toast("alert", `It failed${title}`, { group: status, summary: (count) => `${count} generations failed.` });
      break;
    default:
      toast("status", `It was cancelled${title}`, {
        group: status,
        summary: (count) => `${count} generations were cancelled.`,
      });
  }
}

function tick() {
  if (!session) return;
  const [word, meaning] = MODES[session.feed.mode];
  if (connection.textContent !== word) {
    connection.textContent = word;
    connection.title = meaning;
    connection.dataset.mode = session.feed.mode;
  }
  session.list.tick();
  session.projects.tick();
  session.feed.renewEtas();
  seconds += 1;
  if (seconds % PROBE_S === 0) session.feed.probe();
}

function begin() {
  const key = currentKey();
  if (key) open(key);
  else askForKey();
}

startForm(submit);
startProjectForm((project) => session.projects.submit(project));
onView((view) => session?.projects.show(view));
onKey(open);
forget.addEventListener("click", () => {
  close();
  forgetKey();
  askForKey();
});
window.addEventListener("hashchange", () => new URLSearchParams(location.hash.slice(1)).has("key") && begin());
setInterval(tick, 1000);
isReady(); // tells the service's time
begin();
