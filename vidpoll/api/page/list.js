/** The list of generations: its rows in order, the filter, older pages. */

import { Row } from "./row.js";
import { isFinal, sentences, STATUSES, statusWord } from "./words.js";

const element = document.getElementById("list");
const filter = document.getElementById("filter");
const message = document.getElementById("list-message");
const older = document.getElementById("older");
const section = document.getElementById("generations");

filter.append(new Option("All", ""), ...STATUSES.map((status) => new Option(statusWord(status), status)));

export class List {
  #feed;
  #act;
  #rows = new Map();
  #next = null;
  #loads = 0;
  #retryTimer = null;
  #listening = new AbortController();

  /** @param act carries out a row's button, see Row */
  constructor(feed, act) {
    this.#feed = feed;
    this.#act = act;
    feed.status = filter.value;
    const { signal } = this.#listening;
    filter.addEventListener("change", () => this.#filtered(), { signal });
    older.addEventListener("click", () => this.load(), { signal });
  }

  /** Forget everything: another key may be another owner. */
  stop() {
    this.#listening.abort();
    this.#loads += 1;
    clearTimeout(this.#retryTimer);
    this.#clear();
    message.textContent = "";
  }

  /** Load the next page. While it fails for want of the service, it is tried again. */
  async load() {
    const load = (this.#loads += 1);
    clearTimeout(this.#retryTimer);
    older.ariaDisabled = "true";
    section.ariaBusy = "true";
    if (!this.#rows.size) message.textContent = "Loading …";
    try {
      const { generations, next } = await this.#feed.page(this.#next ?? undefined);
      if (load !== this.#loads) return;
      this.#next = next;
      for (const one of generations) this.#place(one);
      older.hidden = next === null;
      this.#sayIfEmpty();
    } catch (error) {
      if (load !== this.#loads) return;
      message.textContent = sentences(error).join(" ");
      if (error.retryable) this.#retryTimer = setTimeout(() => this.load(), Math.max(3, error.retryAfter ?? 0) * 1000);
      else older.hidden = true;
    } finally {
      if (load === this.#loads) {
        older.ariaDisabled = "false";
        section.ariaBusy = "false";
      }
    }
  }

  /** Show what changed, if it belongs in the part that is shown. */
  changed(generation) {
    const row = this.#rows.get(generation.id);
    if (row) {
      row.update(generation);
      this.#drop(row);
    } else if (this.#fits(generation) && !this.#isBeyond(generation)) {
      this.#place(generation);
      this.#sayIfEmpty();
    }
  }

  /** Once a second. */
  tick() {
    for (const row of this.#rows.values()) {
      if (!isFinal(row.generation.status)) row.tick();
      this.#drop(row);
    }
  }

  #filtered() {
    this.#feed.status = filter.value;
    this.#clear();
    this.load();
  }

  #clear() {
    for (const row of this.#rows.values()) row.remove();
    this.#rows.clear();
    this.#next = null;
    older.hidden = true;
  }

  #fits(generation) {
    return !filter.value || generation.status === filter.value;
  }

  /** Whether it is older than all that is shown, with pages between. */
  #isBeyond(generation) {
    const last = element.lastElementChild;
    return this.#next !== null && last !== null && isNewer(this.#rows.get(last.dataset.id).generation, generation);
  }

  #place(generation) {
    const known = this.#rows.get(generation.id);
    if (known) return known.update(generation);
    const row = new Row(generation, this.#act);
    row.element.dataset.id = generation.id;
    element.insertBefore(row.element, this.#firstOlderThan(generation));
    this.#rows.set(generation.id, row);
  }

  #firstOlderThan(generation) {
    const isOlder = (one) => isNewer(generation, this.#rows.get(one.dataset.id).generation);
    const last = element.lastElementChild;
    if (last === null || !isOlder(last)) return null; // the usual case of a page
    return [...element.children].find(isOlder);
  }

  /** Take out a row that the filter no longer fits, once nobody is at it. */
  #drop(row) {
    if (this.#fits(row.generation) || row.isInUse) return;
    row.remove();
    this.#rows.delete(row.generation.id);
    this.#sayIfEmpty();
  }

  #sayIfEmpty() {
    const none = filter.value ? `None is ${filter.value}.` : "Nothing here yet. Ask for a video, and it is shown here.";
    message.textContent = this.#rows.size ? "" : none;
  }
}

/** The order of the list: newest first, then by id downwards. */
function isNewer(one, other) {
  const [mine, theirs] = [Date.parse(one.created_at), Date.parse(other.created_at)];
  if (mine !== theirs) return mine > theirs;
  return one.created_at === other.created_at ? one.id > other.id : one.created_at > other.created_at;
}
