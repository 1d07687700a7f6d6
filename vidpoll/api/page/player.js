/** A finished video in its row: playable where the browser can, else its address. */

/** Loads a video when it comes near the screen, and lets go of one that was not played when it is far away. */
const nearby = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) target.near(isIntersecting);
  },
  { rootMargin: "400px" },
);

export class Player {
  element = document.createElement("div");
  #url = null;
  #video = null;

  constructor() {
    this.element.className = "media";
    this.element.hidden = true;
    this.element.near = (isNear) => this.#near(isNear);
  }

  /** Whether it is being watched just now. */
  get playing() {
    return this.#video !== null && !this.#video.paused;
  }

  show(url, title) {
    if (url === this.#url) return;
    this.#url = url;
    this.element.hidden = false;
    nearby.unobserve(this.element);
    if (isWeb(url)) this.#showVideo(url, title);
    else this.#showAddress(url);
  }

  forget() {
    nearby.unobserve(this.element);
    this.#near(false);
  }

  #showVideo(url, title) {
    this.#video = document.createElement("video");
    this.#video.controls = true;
    this.#video.playsInline = true;
    this.#video.preload = "metadata";
    this.#video.setAttribute("aria-label", `Video: ${title}`);
    this.#video.addEventListener("error", () => this.#cannotPlay());
    const link = document.createElement("a");
    link.href = url;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    link.textContent = "Open video";
    this.element.replaceChildren(this.#video, link);
    nearby.observe(this.element);
  }

  #cannotPlay() {
    if (!this.#video?.hasAttribute("src")) return; // it was let go of
    const words = paragraph("placeholder", "The video cannot be played here.");
    this.#video.replaceWith(words);
    this.#video = null;
    nearby.unobserve(this.element);
  }

  #showAddress(url) {
    this.#video = null;
    this.element.replaceChildren(
      paragraph("placeholder", "A browser cannot open this address:"),
      paragraph("address", url),
    );
  }

  #near(isNear) {
    const video = this.#video;
    if (!video) return;
    if (isNear && !video.hasAttribute("src")) {
      video.src = this.#url;
    } else if (!isNear && video.hasAttribute("src") && video.paused && video.currentTime === 0) {
      video.removeAttribute("src");
      video.load();
    }
  }
}

function paragraph(className, text) {
  const element = document.createElement("p");
  element.className = className;
  element.textContent = text;
  return element;
}

/** Only these are made links; javascript: and the like stay text. */
function isWeb(url) {
  try {
    return ["http:", "https:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}
