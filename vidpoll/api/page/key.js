/** The API key: taken from the address or the form, kept for this tab. */

const STORED_AS = "vidpoll-key";
const READ_ONLY = "vidpoll-key-read-only";

const form = document.getElementById("key-form");
const field = document.getElementById("key");
const problem = document.getElementById("key-problem");

/** The key of this tab; a `#key=…` of the address becomes it, and is taken out of the address at once. */
export function currentKey() {
  const rest = new URLSearchParams(location.hash.slice(1));
  const given = rest.get("key");
  if (given !== null) {
    rest.delete("key");
    history.replaceState(null, "", location.pathname + location.search + (rest.size ? `#${rest}` : ""));
    if (given.trim()) keep(given.trim());
  }
  return sessionStorage.getItem(STORED_AS);
}

function keep(key) {
  sessionStorage.setItem(STORED_AS, key);
  sessionStorage.removeItem(READ_ONLY);
  field.value = "";
  form.hidden = true;
}

export function forgetKey() {
  sessionStorage.removeItem(STORED_AS);
  sessionStorage.removeItem(READ_ONLY);
}

/** Whether the key turned out to be one that may only read. */
export const isReadOnly = () => sessionStorage.getItem(READ_ONLY) !== null;
export const noteReadOnly = () => sessionStorage.setItem(READ_ONLY, "yes");

/** Ask for a key; `words` say why, if there is a reason. */
export function askForKey(words = "") {
  problem.textContent = words;
  form.hidden = false;
  field.focus();
}

/** Call `taken` with every key that is entered. */
export function onKey(taken) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const key = field.value.trim();
    if (!/^[\x21-\x7e]+$/.test(key)) {
      askForKey(key ? "A key has no spaces and only plain letters, digits and signs." : "Enter a key.");
      return;
    }
    keep(key);
    taken(key);
  });
}
