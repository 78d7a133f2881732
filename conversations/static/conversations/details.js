// Takes the agent's View button, leaves the value in a window over the page for a minute, and nowhere else.

import { act } from "./act.js";
import { put, serverNow } from "../citisocial/js/render.js";

const page = document.querySelector("[data-case]");
const dialog = document.getElementById("revealed");
const words = document.getElementById("detail-words").content;
let timer = 0;

const sentence = (name, n) => words.querySelector(`[data-word="${name}"]`).textContent.replace("{n}", n);

function forget() {
  clearTimeout(timer);
  put(dialog, { value: "" });
}

dialog.addEventListener("close", forget);
addEventListener("pagehide", forget);
document.addEventListener("visibilitychange", () => document.hidden && dialog.close());

// The panel is drawn again whenever the case changes, so its buttons are heard above it.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-reveal]");
  if (!form) return;
  event.preventDefault();
  const button = event.submitter;
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  const { value, said } = await act(form, button).then(
    (answer) => ({ value: answer.value }),
    (refusal) => ({ said: refusal.message }),
  );
  button.removeAttribute("aria-disabled");
  dialog.querySelector("h3").textContent = form.dataset.reveal;
  put(dialog, { value: value ?? said });
  dialog.showModal();
  timer = setTimeout(() => dialog.close(), Number(dialog.dataset.seconds) * 1000);
});

// What they change comes back with the page's next drawing; a field that was sent is free for the next.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-panel-act]");
  if (!form) return;
  event.preventDefault();
  const said = form.querySelector("[data-said]");
  said.textContent = "";
  try {
    await act(form, event.submitter);
    form.reset();
  } catch (refusal) {
    said.textContent = refusal.message;
  }
});

function tick() {
  for (const node of document.querySelectorAll("[data-minutes-until]")) {
    const left = Math.ceil((Date.parse(node.dataset.minutesUntil) - serverNow()) / 60000);
    const name = left < 1 ? "no-minutes" : left === 1 ? "minutes-left-one" : "minutes-left";
    const text = sentence(name, left);
    if (node.textContent !== text) node.textContent = text;
  }
}

setInterval(tick, 5000); // the first drawing is the server's
