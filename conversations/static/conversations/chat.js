// Takes the customer's chat page, leaves it live: lines in order, what is unsent with its state in words.

import { connect } from "../citisocial/js/socket.js";
import { createLog } from "../citisocial/js/conversation-log.js";
import { clone, put, remember, setNow, swap, word } from "../citisocial/js/render.js";
import { showHere, showTyping, startTyping } from "./courtesy.js";
import { startOwn } from "./own.js";
import { apply, fill, isChange, isMessage, notice } from "./said.js";
import { startSeen } from "./seen.js";
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
let wasOpen = false;

remember(document);
setNow(chat.dataset.now);

const send = (frame) => socket.send(frame);
const log = createLog({ send, lastSeq: Number(chat.dataset.lastSeq), onLine, onPending });
const seen = startSeen({ log, send, atEnd: () => scroll.scrollTop > -60 }); // pinned to its end: 0 is the newest
const own = startOwn({
  list: () => messages,
  side: "customer",
  minutes: Number(chat.dataset.editMinutes),
  mayWrite: () => Boolean(document.getElementById("write")),
  log,
  marks: far(),
});
const typing = startTyping(send);
const writing = showTyping(() => document.getElementById("writing"), "customer");
const here = showHere(() => document.getElementById("here"));
const socket = connect(chat.dataset.socket, { ticket: chat.dataset.ticket, csrf: chat.dataset.csrf, onFrame, onState });
own.draw();

/** How far the bank got what was said here, as the server drew it. */
function far() {
  const { delivered, read } = document.querySelector('[data-part="far"]').dataset;
  return { side: "agent", delivered: Number(delivered), read: Number(read) };
}

function onState(name) {
  state.classList.toggle("chat__state--off", name !== "open");
  stateWords.textContent = word(name);
  if (name !== "open") return log.lost();
  log.opened();
  seen.opened();
  if (wasOpen) changed(status); // what was told meanwhile was told to nobody here
  wasOpen = true;
}

function onFrame(frame) {
  if (frame.type === "problem" && !frame.client_id) stateWords.textContent = frame.message;
  if (frame.type === "marks") own.marked(frame);
  if (frame.type === "typing") writing.take(frame);
  if (frame.type === "here") here.take(frame);
  log.receive(frame);
  if (frame.type === "case" || (frame.type === "caught_up" && frame.status !== status)) changed(frame.status);
}

function onLine(frame) {
  if (isChange(frame)) {
    if (apply(messages, frame)) own.changed(frame.about);
  } else if (isMessage(frame)) {
    const { name, text, at } = frame;
    const node = clone(`message-${frame.side}`, { name, text, at, masked: frame.masked ? word("masked") : "" });
    add(fill(node, frame));
    writing.said(frame);
    own.draw();
  } else if (notice(frame)) {
    add(fill(clone("notice", { text: notice(frame) }), frame));
  }
  seen.look();
}

function add(node) {
  localise(node);
  messages.append(node);
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
  own.marked(far());
  if (now !== status && SPOKEN.has(now)) document.getElementById("said").textContent = word(now);
  status = now;
}

function onPending(items) {
  own.pending(items);
  const posts = items.filter((item) => item.kind === "post");
  const ids = new Set(posts.map((item) => item.clientId));
  for (const [id, node] of waiting) {
    if (ids.has(id)) continue;
    node.remove();
    waiting.delete(id);
  }
  for (const item of posts) {
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
  typing.stop();
  log.post(text);
  scroll.scrollTop = 0;
  field.focus();
});

chat.addEventListener("input", (event) => {
  if (event.target.id !== "text") return;
  if (event.target.value.trim()) typing.key();
  else typing.stop();
});

chat.addEventListener("keydown", (event) => {
  if (event.target.id !== "text" || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  if (!matchMedia("(hover: hover) and (pointer: fine)").matches) return; // on a phone, Enter is a new line
  event.preventDefault();
  event.target.form.requestSubmit();
});

scroll.addEventListener("scroll", () => seen.look());

addEventListener("beforeunload", (event) => {
  if (log.pending()) event.preventDefault();
});
