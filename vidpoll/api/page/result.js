/** The result of a local step: what it collected, as a list people can read. */

import { make, outwardLink } from "./dom.js";
import { isWeb } from "./media.js";

/** Characters of JSON beyond which a result is cut, and shown as it is. */
const MOST_CHARACTERS = 20_000;
const DEEPEST = 8;

export function resultElement(result) {
  const text = JSON.stringify(result, null, 1);
  const element = make("div", "result");
  if (text.length <= MOST_CHARACTERS) element.append(valueElement(result, 0));
  else element.append(make("pre", "", `${text.slice(0, MOST_CHARACTERS)}\n… ${text.length - MOST_CHARACTERS} characters more`));
  return element;
}

function valueElement(value, depth) {
  if (typeof value === "string") return isWeb(value) ? outwardLink(value, value) : make("span", "", value);
  if (value === null || typeof value !== "object" || depth === DEEPEST) return make("span", "", JSON.stringify(value));
  return Array.isArray(value) ? listElement(value, depth) : fieldsElement(value, depth);
}

function listElement(values, depth) {
  const list = make("ol", "values");
  for (const value of values) {
    const item = make("li");
    item.append(valueElement(value, depth + 1));
    list.append(item);
  }
  return list;
}

function fieldsElement(fields, depth) {
  const list = make("dl", "facts");
  for (const [name, value] of Object.entries(fields)) {
    const description = make("dd");
    description.append(valueElement(value, depth + 1));
    list.append(make("dt", "", name), description);
  }
  return list;
}
