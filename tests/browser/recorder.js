/** Runs before the page's own scripts and keeps in `seen` all that it showed, however shortly. */

window.seen = { statuses: {}, progress: {}, toasts: [], modes: [] };

{
  const noted = new WeakSet();

  const note = (list, value) => {
    if (value && list.at(-1) !== value) list.push(value);
  };

  const look = () => {
    for (const row of document.querySelectorAll(".row")) {
      const prompt = row.querySelector(".prompt").textContent;
      note((seen.statuses[prompt] ??= []), row.dataset.status);
      note((seen.progress[prompt] ??= []), row.querySelector("progress").value);
    }
    for (const toast of document.querySelectorAll(".toast")) {
      if (!noted.has(toast)) seen.toasts.push(toast.querySelector("p").textContent);
      noted.add(toast);
    }
    note(seen.modes, document.getElementById("connection")?.textContent);
  };

  const everything = { subtree: true, childList: true, attributes: true, characterData: true };
  new MutationObserver(look).observe(document, everything);
}
