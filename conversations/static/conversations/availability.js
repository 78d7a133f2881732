// Takes what the agent does in any tab and what they choose in the topbar, leaves the server knowing whether they are
// here, and the topbar saying what they are and why.
//
// startAvailability({ send }) -> { opened(), receive(frame) -> boolean }
//   send(frame)      the inbox socket's
//   opened()         call when that socket is open
//   receive(frame)   call with its frames; false for those that are not about this

import { word } from "../citisocial/js/render.js";
import { act } from "./act.js";
import { announce } from "./line.js";

const LOOK = 15000;
const AT_MOST_EVERY = 1000; // activity is noted
const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart", "focus"];

export function startAvailability({ send }) {
  const menu = document.querySelector("[data-menu]");
  const form = menu.querySelector('[data-act="availability"]');
  const patience = Number(form.dataset.idleMinutes) * 60000;
  const tabs = new BroadcastChannel("citisocial.activity");
  let { state } = form.dataset;
  let { by } = form.dataset;
  let active = Date.now(); // opening a page is doing something
  let idle = false;

  const report = () => send({ type: "alive", active: !idle });

  /** Something was done, here or in another tab of this browser. */
  function noted(at) {
    active = Math.max(active, at);
    // Another browser of theirs may have been idle and have said so: what is done here counts.
    const taken = state === "away" && by === "idle";
    if (!idle && !taken) return;
    idle = false;
    report();
  }

  function did() {
    if (Date.now() - active < AT_MOST_EVERY) return;
    noted(Date.now());
    tabs.postMessage(active);
  }

  function look() {
    if (idle || Date.now() - active < patience) return;
    idle = true;
    report();
  }

  function show(frame) {
    const was = { state, by };
    ({ state, by } = frame);
    for (const button of form.querySelectorAll("[name=state]")) {
      const chosen = button.value === state;
      button.setAttribute("aria-pressed", String(chosen));
      if (chosen) menu.querySelector("[data-availability]").textContent = button.textContent.trim();
    }
    menu.querySelector("[data-presence]").className = `presence presence--${state}`;
    for (const why of menu.querySelectorAll("[data-why]")) {
      why.hidden = ![state, by, `${state} ${by}`].includes(why.dataset.why);
    }
    if (by === "forced" && was.by !== by) announce(form.querySelector('[data-why="forced"]').textContent);
    // Taken for gone, and for here again: that nothing is done here has to be said once more.
    if (was.state === "offline" && idle) report();
  }

  menu.addEventListener("submit", async (event) => {
    if (event.target !== form) return;
    event.preventDefault();
    try {
      const now = await act(form, event.submitter);
      show({ state: now.state, by: "hand" });
      announce(word("now-available", { state: now.label }));
      menu.open = false;
      menu.querySelector("summary").focus();
    } catch (refusal) {
      announce(refusal.message);
    }
  });

  for (const sign of SIGNS) addEventListener(sign, did, { passive: true, capture: true });
  tabs.addEventListener("message", (event) => noted(Number(event.data) || 0));
  setInterval(look, LOOK);
  tabs.postMessage(active);

  return {
    opened() {
      look();
      report();
    },
    receive(frame) {
      if (frame.type !== "availability") return false;
      show(frame);
      return true;
    },
  };
}
