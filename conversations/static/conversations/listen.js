// Takes the frames of a case's socket, leaves the page of a supervisor who listens as the case is now. It says nothing.

import { createLog } from "../citisocial/js/conversation-log.js";
import { patch, remember, setNow, swap } from "../citisocial/js/render.js";
import { connect } from "../citisocial/js/socket.js";
import { act } from "./act.js";
import { onRetry, showState } from "./line.js";

const SETTLE = 120; // several pokes of one change come together
const page = document.querySelector("[data-listen]");
const runs = () => page.querySelector('[data-part="log"]');

remember(document);
setNow(page.dataset.now);

// The server draws every line, so edits, files and notes look here as they look to the agent.
const log = createLog({
  send: (frame) => socket.send(frame),
  lastSeq: Number(runs().dataset.lastSeq),
  onLine: refreshSoon,
});
const socket = connect(page.dataset.socket, {
  ticket: page.dataset.ticket,
  csrf: page.dataset.csrf,
  onFrame,
  onState,
});

function onState(state, seconds) {
  showState(state, seconds);
  if (state === "open") {
    log.opened();
    refreshSoon();
  } else {
    log.lost();
  }
}

function onFrame(frame) {
  if (!log.receive(frame) && (frame.type === "case" || frame.type === "note")) refreshSoon();
}

let timer = 0;
let running = false;
let wanted = false;

function refreshSoon() {
  clearTimeout(timer);
  timer = setTimeout(refresh, SETTLE);
}

async function refresh() {
  if (running) {
    wanted = true;
    return;
  }
  running = true;
  try {
    const answer = await fetch(page.dataset.parts, { headers: { Accept: "text/html" }, redirect: "error" });
    if (answer.ok) draw(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // No connection: the socket's line says so, and the page is drawn when it is back.
  } finally {
    running = false;
    if (wanted) {
      wanted = false;
      refreshSoon();
    }
  }
}

function draw(fresh) {
  setNow(fresh.querySelector("[data-now]").dataset.now);
  const next = fresh.querySelector('[data-part="log"]');
  // What the socket brought while this was on its way is not in it: it is read once more.
  if (Number(next.dataset.lastSeq) < log.last()) return refreshSoon();
  patch(runs(), next);
  swap(page.querySelector('[data-part="listened"]'), fresh.querySelector('[data-part="listened"]'));
  log.drawn(Number(next.dataset.lastSeq));
}

page.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-listen-act]");
  if (!form) return;
  event.preventDefault();
  const button = event.submitter ?? form.querySelector("button");
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  const problem = form.querySelector("[data-problem]");
  const text = form.querySelector("textarea");
  const whispered = text.value;
  try {
    await act(form, button);
    if (text.value === whispered) text.value = "";
    problem.textContent = "";
  } catch (refusal) {
    problem.textContent = refusal.message;
  } finally {
    button.removeAttribute("aria-disabled");
  }
});

onRetry(() => socket.retry());
