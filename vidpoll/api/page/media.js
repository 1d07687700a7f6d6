/** What shows a result in the page, by what it is. */

const IMAGE_NAME = /\.(?:png|jpe?g|webp|gif|avif|bmp|svg)$/i;

/**
 * A `<video>` or an `<img>` for what is at an address. Its `src` is left to whoever shows it: it may wait until it is near the screen.
 * @param {string} url
 * @param {string | null} [contentType] goes before what the address looks like, if it names one of the two
 */
export function mediaElement(url, contentType) {
  if (isImage(url, contentType)) return document.createElement("img");
  const video = document.createElement("video");
  video.controls = true;
  video.playsInline = true;
  video.preload = "metadata";
  return video;
}

/** The content type of a generation's or step's result; where nobody told it, what can be said by what was asked for. */
export function typeOf({ content_type: told, generation_kind, kind }) {
  return told ?? ((generation_kind ?? kind) === "image" ? "image/*" : null);
}

/** Where a result is shown from: its copy, which stays when the provider's is gone, where that is on the web. */
export const lastingUrl = ({ video_url, archived_url }) => (isWeb(archived_url ?? "") ? archived_url : video_url);

/** Only these are made links; javascript: and the like stay text. */
export function isWeb(url) {
  try {
    return ["http:", "https:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}

function isImage(url, contentType) {
  const [, kind] = /^(image|video)\//i.exec(contentType ?? "") ?? [];
  return kind ? kind.toLowerCase() === "image" : IMAGE_NAME.test(new URL(url).pathname);
}
