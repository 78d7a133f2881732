// Takes the frames of /ws/case/<uuid>/ and what the agent presses, leaves the conversation's page as it is now.

import { createLog } from "../citisocial/js/conversation-log.js";
import { clone, patch, put, remember, serverNow, setNow, swap, word } from "../citisocial/js/render.js";
import { connect } from "../citisocial/js/socket.js";
import { act } from "./act.js";
import { startComposer } from "./composer.js";
import { showHere, showTyping, startLooking, startTyping } from "./courtesy.js";
import { announce, onRetry, showState } from "./line.js";
import { startOwn } from "./own.js";
import { apply, fill, isChange, isMessage, notice } from "./said.js";
import { startSeen } from "./seen.js";

const LOOK_AGAIN = 15000;
const SETTLE = 120; // several pokes of one change come together

const page = document.querySelector("[data-case]");
const scroller = page.querySelector("[data-log]");
const newer = page.querySelector("[data-newer]");
const runs = () => page.querySelector('[data-part="log"]');

remember(document);

let missed = 0;
let status = "";
const send = (frame) => socket.send(frame);
const log = createLog({
  send,
  lastSeq: Number(runs().dataset.lastSeq),
  seen: () => seen.read(), // what came in under the agent's hands is read before the answer goes out
  onLine,
  onPending,
});
const seen = startSeen({ log, send, atEnd: () => !scrolledUp() });
const own = startOwn({
  list: runs,
  side: "agent",
  name: page.dataset.me.split(" ")[0],
  minutes: Number(page.dataset.editMinutes),
  mayWrite: () => Boolean(page.querySelector("[data-composer]")),
  log,
  marks: far(),
});
const composer = startComposer({
  page,
  say(text, template) {
    typing.stop();
    log.post(text, template);
  },
  refresh: refreshSoon,
});
const typing = startTyping(send);
const looking = startLooking(send, () => (page.querySelector("[data-text]")?.value.trim() ? "replying" : "looking"));
const writing = showTyping(() => page.querySelector("[data-writing]"), "agent");
const here = showHere(() => page.querySelector("[data-here]"));
const socket = connect(page.dataset.socket, { ticket: page.dataset.ticket, csrf: page.dataset.csrf, onFrame, onState });
own.draw();

/** How far the customer got what was said here, as the server drew it. */
function far() {
  const { delivered, read } = runs().dataset;
  return { side: "customer", delivered: Number(delivered), read: Number(read) };
}

function onState(state, seconds) {
  showState(state, seconds);
  if (state === "open") {
    log.opened();
    seen.opened();
    looking.opened();
    refreshSoon();
  } else {
    log.lost();
  }
}

function onFrame(frame) {
  if (frame.type === "caught_up" && frame.status !== status) {
    if (status) refreshSoon();
    status = frame.status;
  }
  if (log.receive(frame)) return;
  if (frame.type === "marks") own.marked(frame);
  if (frame.type === "typing") writing.take(frame);
  if (frame.type === "here") here.take(frame);
  if (frame.type === "case" || frame.type === "note") refreshSoon();
  if (frame.type === "problem") composer.complain(frame.message);
}

// The log.

function onLine(frame) {
  if (isChange(frame)) {
    if (apply(runs(), frame)) own.changed(frame.about);
  } else {
    show(frame);
    writing.said(frame);
    own.draw();
  }
  seen.look();
}

function show(frame) {
  const key = `m-${frame.seq}`;
  if (runs().querySelector(`[data-key="${key}"]`)) return;
  const text = isMessage(frame) ? frame.text : notice(frame);
  if (!isMessage(frame) && !text) return;
  const item = clone(isMessage(frame) ? "message" : "notice", { text, name: frame.name, at: frame.at });
  item.dataset.key = key;
  if (isMessage(frame)) dress(item, frame);
  fill(item, frame);
  lastSecureRun(key).append(item);
  if (frame.side !== "agent") count();
}

function dress(item, frame) {
  const ours = frame.side === "agent";
  item.className = `msg ${ours ? "msg--out" : "msg--in"}`;
  item.dataset.clientId = frame.client_id;
  item.querySelector("[data-masked]").hidden = !frame.masked;
  item.setAttribute("aria-label", word("spoken", { name: frame.name }));
  if (!ours) item.querySelectorAll("[data-state], [data-line-menu]").forEach((node) => node.remove());
}

function lastSecureRun(key) {
  const last = runs().lastElementChild;
  if (last && last.classList.contains("aud-secure")) return last.querySelector("[data-items]");
  const run = clone("secure-run");
  run.dataset.key = `run-${key}`;
  run.setAttribute("aria-labelledby", `run-${key}`);
  run.querySelector("h3").id = `run-${key}`;
  runs().append(run);
  return run.querySelector("[data-items]");
}

function onPending(items) {
  own.pending(items);
  const list = page.querySelector("[data-pending]");
  const known = new Map([...list.children].map((node) => [node.dataset.clientId, node]));
  for (const { kind, clientId, text, state, reason } of items) {
    if (kind !== "post") continue;
    const node = known.get(clientId) ?? clone("unsent", { text });
    known.delete(clientId);
    node.dataset.clientId = clientId;
    const meta = node.querySelector(".msg__meta");
    meta.classList.toggle("msg__meta--fail", state === "failed" || state === "overtaken");
    meta.classList.toggle("msg__meta--wait", state === "waiting" || state === "slow");
    put(node, { state: word(state, { why: reason }) });
    node.querySelector("[data-again]").hidden = state !== "failed";
    node.querySelector("[data-confirm]").hidden = state !== "overtaken";
    node.querySelector("[data-drop]").hidden = state !== "failed" && state !== "overtaken";
    list.append(node);
  }
  known.forEach((node) => node.remove());
}

page.querySelector("[data-pending]").addEventListener("click", (event) => {
  const id = event.target.closest("[data-client-id]")?.dataset.clientId;
  if (event.target.closest("[data-again]")) log.retry(id);
  if (event.target.closest("[data-confirm]")) log.confirm(id);
  if (event.target.closest("[data-drop]")) composer.putBack(log.drop(id));
});

// With column-reverse 0 is the newest end, and older is negative.
const scrolledUp = () => scroller.scrollTop < -60;

function count() {
  if (!scrolledUp()) return;
  missed += 1;
  put(newer, { count: word("new", { n: missed }) });
  newer.hidden = false;
}

function toNewest() {
  scroller.scrollTop = 0;
  missed = 0;
  newer.hidden = true;
}

newer.addEventListener("click", toNewest);
scroller.addEventListener("scroll", () => {
  if (scrolledUp()) return;
  toNewest();
  seen.look();
});

// The customer reads that somebody writes only where the customer will read it.
page.addEventListener("input", (event) => {
  if (!event.target.matches("[data-text]")) return;
  if (composer.audience() === "secure" && event.target.value.trim()) typing.key();
  else typing.stop();
  looking.changed();
});

// Everything else that the server draws: fetched again whenever the case says that it changed.

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
    // No connection: the socket's line says so, and asks again when it is back.
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
  const log_ = fresh.querySelector('[data-part="log"]');
  // What the socket brought while this was on its way is not in it, and would not come again: it is read once more.
  if (Number(log_.dataset.lastSeq) < log.last()) refreshSoon();
  else patch(runs(), log_);
  for (const name of ["head", "context"]) part(name, fresh);
  drawComposer(fresh);
  const ids = [...log_.querySelectorAll("[data-client-id]")].map((node) => node.dataset.clientId);
  log.drawn(Number(log_.dataset.lastSeq), ids);
  Object.assign(runs().dataset, { delivered: log_.dataset.delivered, read: log_.dataset.read });
  own.marked(far());
  seen.look();
  here.draw();
  tick();
}

function part(name, fresh) {
  const [old, next] = [document, fresh].map((scope) => scope.querySelector(`[data-part="${name}"]`));
  if (old && next) swap(old, next);
}

/** The text, its caret and the chosen audience belong to the writer: only what is around them is drawn again. */
function drawComposer(fresh) {
  const [old, next] = [document, fresh].map((scope) => scope.querySelector('[data-part="composer"]'));
  if (old.dataset.version !== next.dataset.version) {
    old.replaceWith(document.importNode(next, true));
    document.getElementById("pick")?.remove();
    const pick = fresh.getElementById("pick");
    if (pick) page.append(document.importNode(pick, true));
    remember(page.querySelector('[data-part="composer"]'));
  } else {
    const chosen = composer.audience();
    part("audiences", fresh);
    part("allow", fresh);
    composer.choose(chosen);
  }
  composer.changed();
}

// Buttons of the page: done by fetch, their effect comes back with the next drawing.

page.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-act]");
  if (!form) return;
  event.preventDefault();
  const button = event.submitter;
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    const answer = await act(form, button);
    composer.complain("");
    if (answer.outgoing && answer.outgoing.text) composer.putBack(answer.outgoing.text);
    refreshSoon();
  } catch (refusal) {
    composer.complain(refusal.message);
    refreshSoon();
  } finally {
    button.removeAttribute("aria-disabled");
  }
});

// The time to undo.

function tick() {
  for (const node of page.querySelectorAll("[data-leaves-at]")) {
    const ring = node.querySelector(".ring");
    if (!ring) continue;
    const left = Math.ceil((Date.parse(node.dataset.leavesAt) - serverNow()) / 1000);
    put(node, { left: left > 0 ? word(`leaves-${node.dataset.leavesTo}`, { n: left }) : word("leaving") });
    const part_ = Math.max(0, Math.min(1, left / Number(ring.dataset.span)));
    ring.querySelector(".on").setAttribute("stroke-dasharray", `${(44 * part_).toFixed(1)} 44`);
    if (left === 15 || left === 5) announce(word("leaves-said", { n: left }));
  }
}

setInterval(tick, 1000);
setInterval(() => page.querySelector("[data-unsettled]") && refreshSoon(), LOOK_AGAIN);
onRetry(() => socket.retry());
document.addEventListener("sending-changed", refreshSoon);
tick();
