/** Which part of the page is shown. The address tells, so that it survives a reload and can be sent to somebody. */

const work = document.getElementById("work");
const skip = document.getElementById("skip");
const links = { generations: document.getElementById("to-generations"), projects: document.getElementById("to-projects") };
/** By view: what belongs together, and what the skip link leads to. */
const TARGETS = { generations: "generations", projects: "projects-section", project: "project-section" };

/** `#projects`, `#project=ID`; everything else is the generations. */
export function currentView() {
  const given = new URLSearchParams(location.hash.slice(1));
  const id = given.get("project");
  if (id && /^[\w-]+$/.test(id)) return { name: "project", id };
  return { name: given.has("projects") ? "projects" : "generations" };
}

export const addressOf = (id) => `#project=${id}`;

/** A link to the project a generation is a step of; other names of projects stay text. */
export function projectLink(id) {
  if (!/^[0-9a-f-]{36}$/.test(id)) return id;
  const link = document.createElement("a");
  link.href = addressOf(id);
  link.textContent = id;
  return link;
}

/** Show the view the address names, and nothing of the others. */
export function showView({ name }) {
  work.dataset.view = name;
  for (const part of work.querySelectorAll(":scope > [data-view]")) part.hidden = part.dataset.view !== name;
  const tab = name === "generations" ? "generations" : "projects";
  for (const [own, link] of Object.entries(links)) {
    if (own === tab) link.setAttribute("aria-current", own === name ? "page" : "true");
    else link.removeAttribute("aria-current");
  }
  skip.textContent = { generations: "Skip to the generations", projects: "Skip to the projects" }[name] ?? "Skip to the project";
  skip.href = `#${TARGETS[name]}`;
}

/** Call `shown` with the view whenever the address names another. */
export function onView(shown) {
  window.addEventListener("hashchange", () => shown(currentView()));
  skip.addEventListener("click", (event) => {
    event.preventDefault(); // the address stays that of the view
    document.getElementById(TARGETS[currentView().name]).focus();
  });
}
