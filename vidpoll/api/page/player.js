/** A finished video or image in its row: shown where the browser can, else its address. */

import { make, outwardLink } from "./dom.js";
import { isWeb, mediaElement } from "./media.js";

/** Loads what comes near the screen, and lets go of a video that was not played when it is far away. */
const nearby = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) target.near(isIntersecting);
  },
  { rootMargin: "400px" },
);

export class Player {
  element = make("div", "media");
  #url = null;
  #media = null;
  #source = null;
  #otherwise = null;

  constructor() {
    this.element.hidden = true;
    this.element.near = (isNear) => this.#near(isNear);
  }

  /** Whether it is being watched just now. */
  get playing() {
    return this.#isVideo && !this.#media.paused;
  }

  /**
   * @param {string} url
   * @param {string} title
   * @param {string | null} [contentType]
   * @param {string | null} [otherwise] where else it is, should it not be there
   */
  show(url, title, contentType, otherwise) {
    if (url === this.#url || this.#isBegun) return;
    this.forget();
    this.#url = url;
    this.#otherwise = otherwise === url ? null : otherwise;
    this.element.hidden = false;
    if (isWeb(url)) this.#showMedia(url, title, contentType);
    else this.#showAddress(url);
  }

  /** Show nothing: what was there is no longer the result. */
  hide() {
    this.forget();
    this.#url = this.#media = null;
    this.element.replaceChildren();
    this.element.hidden = true;
  }

  forget() {
    nearby.unobserve(this.element);
    this.#near(false);
  }

  /** Whether it is being watched, or waits where somebody left it: not to be lost for another address of the same. */
  get #isBegun() {
    return this.#isVideo && this.#media.currentTime > 0;
  }

  get #isVideo() {
    return this.#media instanceof HTMLVideoElement;
  }

  #showMedia(url, title, contentType) {
    this.#source = url;
    this.#media = mediaElement(url, contentType);
    if (this.#isVideo) this.#media.setAttribute("aria-label", `Video: ${title}`);
    else this.#media.alt = `Image: ${title}`;
    this.#media.addEventListener("error", () => this.#cannotShow(title, contentType));
    this.element.replaceChildren(this.#media, outwardLink(url, this.#isVideo ? "Open video" : "Open image"));
    nearby.unobserve(this.element); // one that is observed already would not be told again
    nearby.observe(this.element);
  }

  #cannotShow(title, contentType) {
    if (!this.#media?.hasAttribute("src")) return; // it was let go of
    if (isWeb(this.#otherwise ?? "")) {
      const url = this.#otherwise;
      this.#otherwise = null;
      this.#showMedia(url, title, contentType);
      return;
    }
    const words = this.#isVideo ? "The video cannot be played here." : "The image cannot be shown here.";
    this.#media.replaceWith(make("p", "placeholder", words));
    this.#media = null;
    nearby.unobserve(this.element);
  }

  #showAddress(url) {
    this.#media = null;
    this.element.replaceChildren(
      make("p", "placeholder", "A browser cannot open this address:"),
      make("p", "address", url),
    );
  }

  #near(isNear) {
    const media = this.#media;
    if (!media) return;
    if (isNear && !media.hasAttribute("src")) {
      media.src = this.#source;
    } else if (!isNear && this.#isVideo && media.hasAttribute("src") && media.paused && media.currentTime === 0) {
      media.removeAttribute("src");
      media.load();
    }
  }
}
