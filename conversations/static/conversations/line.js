// Takes what the page's socket says about itself, leaves the banner: lost since when, next try, or over for good.

import { hour, put, serverNow, word } from "../citisocial/js/render.js";

const banner = document.getElementById("offline");
const said = document.getElementById("said");
let since = 0;
let next = 0;
let timer = 0;

/** Say something once to a screen reader. */
export function announce(text) {
  said.textContent = text;
}

/** For onState of the socket that the page depends on most; `retry` is what "Try now" does. */
export function showState(state, seconds) {
  clearInterval(timer);
  document.body.classList.toggle("is-offline", state !== "open");
  if (state === "open") {
    if (since) announce(word("back"));
    since = 0;
    banner.hidden = true;
    return;
  }
  since ||= serverNow();
  banner.querySelector("[data-retry]").hidden = state === "over";
  if (state === "over") {
    put(banner, { title: word("over"), text: word("over-why"), next: "" });
    announce(`${word("over")} ${word("over-why")}`);
    banner.hidden = false;
    return;
  }
  // The first second of a break is not worth a banner: most are over by then.
  next = Date.now() + seconds * 1000;
  timer = setInterval(count, 1000);
  if (!banner.hidden) count();
}

function count() {
  const title = word("lost", { at: hour(since) });
  if (banner.hidden) announce(`${title} ${word("lost-why")}`);
  const left = Math.ceil((next - Date.now()) / 1000);
  put(banner, {
    title,
    text: word("lost-why"),
    next: left > 0 ? word("lost-next", { n: left }) : word("lost-now"),
  });
  banner.hidden = false;
}

/** "Try now" calls `retry`. */
export function onRetry(retry) {
  banner.querySelector("[data-retry]").addEventListener("click", retry);
}
