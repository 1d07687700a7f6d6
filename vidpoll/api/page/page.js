/** The page: puts the key, the form, the list and the events together. */

import { Vidpoll } from "./vidpoll.js";
import { Feed } from "./feed.js";
import { alsoSuggest, setReadOnly, startForm } from "./form.js";
import { askForKey, currentKey, forgetKey, isReadOnly, noteReadOnly, onKey } from "./key.js";
import { List } from "./list.js";
import { isReady, scopesOf } from "./service.js";
import { toast } from "./toasts.js";
import { excerpt, sentences } from "./words.js";

const work = document.getElementById("work");
const skip = document.getElementById("skip");
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
    refused(error) {
      if (error.code === "unauthorized") reject(error);
      else toast("alert", sentences(error).join(" "));
    },
  });
  const list = new List(feed, (name, id) => act(session, name, id));
  session = { api, feed, list };
  for (const element of [work, skip, forget, connection]) element.hidden = false;
  showReadOnly();
  list.load();
  feed.start();
  tick();
  learnScopes(session, apiKey);
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
  session = null;
  for (const element of [work, skip, forget, connection]) element.hidden = true;
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

function announce({ status, prompt }) {
  const title = prompt ? `: ${excerpt(prompt, 60)}` : ".";
  switch (status) {
    case "completed":
      toast("status", `A video is ready${title}`, { group: status, summary: (count) => `${count} videos are ready.` });
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
onKey(open);
forget.addEventListener("click", () => {
  close();
  forgetKey();
  askForKey();
});
window.addEventListener("hashchange", () => location.hash.startsWith("#key=") && begin());
setInterval(tick, 1000);
isReady(); // tells the service's time
begin();
