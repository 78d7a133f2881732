// Takes the customer's chat page, leaves it live: messages in order, what is unsent with its state in words.

import { connect } from "../citisocial/js/socket.js";
import { createLog } from "../citisocial/js/conversation-log.js";
import { clone, put, remember, swap, word } from "../citisocial/js/render.js";
import { localise } from "./times.js";

const chat = document.getElementById("chat");
const scroll = document.getElementById("log");
const messages = document.getElementById("messages");
const pending = document.getElementById("pending");
const state = document.getElementById("state");
const stateWords = document.getElementById("state-words");
const waiting = new Map(); // clientId -> node, so that a state that changes does not draw the message anew
const SPOKEN = new Set(["CONNECTED", "RESOLVED", "CLOSED"]); // the others are the bank's business
let status = chat.dataset.status;

remember(document);

const log = createLog({
  send: (frame) => socket.send(frame),
  lastSeq: Number(chat.dataset.lastSeq),
  onMessage(frame) {
    const { name, text, at } = frame;
    const node = clone(`message-${frame.side}`, { name, text, at, masked: frame.masked ? word("masked") : "" });
    localise(node);
    messages.append(node);
  },
  onPending: drawPending,
});
const socket = connect(chat.dataset.socket, { onFrame, onState });

function onState(name) {
  state.classList.toggle("chat__state--off", name !== "open");
  stateWords.textContent = word(name);
  if (name === "open") log.opened();
  else log.lost();
}

function onFrame(frame) {
  if (frame.type === "problem" && !frame.client_id) stateWords.textContent = frame.message;
  log.receive(frame);
  if (frame.type === "case" || (frame.type === "caught_up" && frame.status !== status)) changed(frame.status);
}

// Who answers, and whether it is solved, is the server's to draw: its page is read again and those parts change.
async function changed(now) {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer || !answer.ok) return; // the next look, in 15 s at the latest, finds it again
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-part]")) {
    const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`);
    if (fresh) localise(swap(part, fresh));
  }
  if (now !== status && SPOKEN.has(now)) document.getElementById("said").textContent = word(now);
  status = now;
}

function drawPending(items) {
  const ids = new Set(items.map((item) => item.clientId));
  for (const [id, node] of waiting) {
    if (ids.has(id)) continue;
    node.remove();
    waiting.delete(id);
  }
  for (const item of items) {
    const node = waiting.get(item.clientId) || pendingNode(item);
    const failed = item.state === "failed";
    put(node, { state: word(item.state, { reason: item.reason }) });
    node.querySelector(".msg__meta").classList.toggle("msg__meta--fail", failed);
    node.querySelector(".msg__acts").hidden = !failed;
  }
}

function pendingNode(item) {
  const node = clone("message-pending", { text: item.text });
  node.querySelector('[data-act="retry"]').addEventListener("click", () => log.retry(item.clientId));
  node.querySelector('[data-act="drop"]').addEventListener("click", () => {
    const field = document.getElementById("text");
    field.value = [log.drop(item.clientId), field.value].filter(Boolean).join("\n");
    field.focus();
  });
  waiting.set(item.clientId, node);
  pending.append(node);
  return node;
}

// The form may be drawn anew when a case closes or opens again, so its events are heard above it.
chat.addEventListener("submit", (event) => {
  if (event.target.id !== "write") return;
  event.preventDefault();
  const field = document.getElementById("text");
  const text = field.value.trim();
  if (!text) return;
  field.value = "";
  log.post(text);
  scroll.scrollTop = 0; // the log is pinned to its end: 0 is the newest
  field.focus();
});

chat.addEventListener("keydown", (event) => {
  if (event.target.id !== "text" || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  if (!matchMedia("(hover: hover) and (pointer: fine)").matches) return; // on a phone, Enter is a new line
  event.preventDefault();
  event.target.form.requestSubmit();
});

addEventListener("beforeunload", (event) => {
  if (log.pending()) event.preventDefault();
});
