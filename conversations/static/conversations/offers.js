// Takes what colleagues offer this agent, leaves it on top of the list with the time that is left to answer.

import { serverNow, swap } from "../citisocial/js/render.js";

const LOOK_AGAIN = 15000;
const place = document.querySelector("[data-offers]");
const left = document.getElementById("offer-words").content.querySelector('[data-word="left"]').textContent;
let running = false;

async function look() {
  if (running || document.hidden) return;
  running = true;
  try {
    const answer = await fetch(place.dataset.offers, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-offers-in]");
    if (fresh) swap(place.querySelector("[data-offers-in]"), fresh);
    tick();
  } catch {
    // No connection: the socket's line says so, and this asks again.
  } finally {
    running = false;
  }
}

function tick() {
  for (const node of place.querySelectorAll("[data-until]")) {
    const seconds = Math.max(0, Math.ceil((Date.parse(node.dataset.until) - serverNow()) / 1000));
    const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    node.textContent = left.replace("{time}", time);
  }
}

// What the inbox's socket brings about the agent, or after a break, may be an offer as well.
document.addEventListener("inbox-frame", (event) => {
  if (event.detail === "availability" || event.detail === "inbox") look();
});
document.addEventListener("visibilitychange", look);
setInterval(look, LOOK_AGAIN);
setInterval(tick, 1000);
