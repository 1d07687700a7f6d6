/** Short notices in a corner, which go by themselves unless somebody is at them. */

const SHOWN_MS = 6000;
/** Of more notices of one group than this, only a summary is shown. */
const MOST_OF_A_GROUP = 2;

const groups = new Map();
let cameFrom = null;

/**
 * @param {"status" | "alert"} role alert is for what went wrong
 * @param {string} text
 * @param {{group?: string, summary?: (count: number) => string}} [many] how several of a kind are put in one notice
 */
export function toast(role, text, { group, summary } = {}) {
  const shown = groups.get(group);
  if (!group) {
    new Toast(role, text);
  } else if (!shown) {
    groups.set(group, { toasts: [new Toast(role, text, group)], count: 1 });
  } else {
    shown.count += 1;
    if (shown.count <= MOST_OF_A_GROUP) {
      shown.toasts.push(new Toast(role, text, group));
    } else {
      for (const extra of shown.toasts.splice(1)) extra.remove();
      shown.toasts[0].say(summary(shown.count));
    }
  }
}

class Toast {
  #element = document.createElement("div");
  #text = document.createElement("p");
  #timer;
  #group;

  constructor(role, text, group) {
    this.#group = group;
    this.#element.className = `toast toast-${role}`;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "quiet";
    close.textContent = "✕";
    close.setAttribute("aria-label", "Dismiss");
    close.addEventListener("click", () => this.#close());
    this.#element.append(this.#text, close);
    this.#element.addEventListener("pointerenter", () => this.#wait());
    this.#element.addEventListener("pointerleave", () => this.#goOn());
    this.#element.addEventListener("focusin", (event) => {
      if (!event.relatedTarget?.closest(".toast")) cameFrom = event.relatedTarget;
      this.#wait();
    });
    this.#element.addEventListener("focusout", () => this.#goOn());
    document.getElementById(`toasts-${role}`).append(this.#element);
    this.say(text);
  }

  say(text) {
    this.#text.textContent = text;
    this.#goOn();
  }

  remove() {
    clearTimeout(this.#timer);
    this.#element.remove();
  }

  #wait() {
    clearTimeout(this.#timer);
  }

  #goOn() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const attended = this.#element.matches(":hover") || this.#element.contains(document.activeElement);
      if (!attended) this.#close();
    }, SHOWN_MS);
  }

  #close() {
    const hadFocus = this.#element.contains(document.activeElement);
    this.remove();
    const shown = groups.get(this.#group);
    if (shown) {
      shown.toasts = shown.toasts.filter((one) => one !== this);
      if (!shown.toasts.length) groups.delete(this.#group);
    }
    if (hadFocus) (document.querySelector(".toast button") ?? cameFrom)?.focus();
  }
}
