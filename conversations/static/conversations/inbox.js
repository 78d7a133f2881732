// Takes the lines that /ws/inbox/ sends, leaves the list pane as it is now: sorted, counted, nothing reloaded.

import { connect } from "../citisocial/js/socket.js";
import { clone, put, setNow, since } from "../citisocial/js/render.js";
import { startAvailability } from "./availability.js";
import { onRetry, showState } from "./line.js";

const SHOWN = 200; // as many as the server sends; more are not read by anybody
const LOOK_AGAIN = 15000;
const GONE = new Set(["RESOLVED", "CLOSED"]);

const pane = document.querySelector("[data-inbox]");
const groups = Object.fromEntries(
  [...pane.querySelectorAll("[data-group]")].map((node) => [node.dataset.group, node]),
);
const inTab = {
  mine: (line) => line.mine,
  unassigned: (line) => line.agent === null,
  team: () => true,
};
const menu = document.querySelector("[data-menu]");
const lines = new Map();
const rows = new Map(); // id -> <li>
let tab = pane.dataset.tab;
let latest = "";
let known = false;
let due = false;

for (const row of pane.querySelectorAll("li[data-id]")) rows.set(row.dataset.id, row);
setNow(document.querySelector("[data-now]").dataset.now);

const availability = startAvailability({ send: (frame) => socket.send(frame) });
const socket = connect(pane.dataset.socket, {
  ticket: pane.dataset.ticket,
  csrf: pane.dataset.csrf,
  onFrame,
  onState,
});

function onState(state, seconds) {
  if (state === "open") {
    socket.send({ type: "resume", after: latest });
    availability.opened();
  }
  // A page with a conversation shows that one's line: it is the one a message depends on.
  if (!document.querySelector("[data-case]")) showState(state, seconds);
}

function onFrame(frame) {
  document.dispatchEvent(new CustomEvent("inbox-frame", { detail: frame.type })); // offers.js looks again
  if (frame.type === "sending") return showStop(frame.stopped);
  if (availability.receive(frame)) return;
  if (frame.type !== "inbox" && frame.type !== "cases") return;
  if (frame.type === "inbox") {
    lines.clear();
    known = true;
  }
  for (const line of frame.cases) {
    if (GONE.has(line.status)) lines.delete(line.id);
    else lines.set(line.id, line);
  }
  latest = frame.now;
  setNow(frame.now);
  drawSoon();
}

function showStop(sentence) {
  const banner = document.getElementById("stopped");
  const shown = banner.hidden ? "" : banner.querySelector('[data-f="text"]').textContent;
  if (shown === sentence) return;
  put(banner, { text: sentence });
  banner.hidden = !sentence;
  // What may be written to whom has changed with it.
  document.dispatchEvent(new CustomEvent("sending-changed"));
}

function drawSoon() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    if (known) draw();
  });
}

function draw() {
  const all = [...lines.values()];
  for (const name of Object.keys(inTab)) {
    const count = String(all.filter(inTab[name]).length);
    for (const node of document.querySelectorAll(`[data-count="${name}"]`)) {
      if (node.textContent !== count) node.textContent = count;
    }
  }
  const shown = all.filter(inTab[tab]);
  const by = (key, sign) => (a, b) => sign * (Date.parse(a[key]) - Date.parse(b[key])) || a.number - b.number;
  place("ours", shown.filter((line) => line.move === "ours").sort(by("waiting_since", 1)));
  place("theirs", shown.filter((line) => line.move === "theirs").sort(by("changed_at", -1)));
  const kept = new Set(shown.map((line) => line.id));
  for (const [id, row] of rows) {
    if (kept.has(id)) continue;
    row.remove();
    rows.delete(id);
  }
  for (const node of pane.querySelectorAll("[data-empty]")) {
    node.hidden = shown.length > 0 || node.dataset.empty !== tab;
  }
  askWhatNext(all);
}

// What to do next, beside the list: the server says it in words, so it is asked when its numbers are no longer true.
async function askWhatNext(all) {
  const node = document.querySelector("[data-next]");
  const waiting = all.filter((line) => line.mine && line.move === "ours").length;
  const numbers = `${waiting} ${all.filter(inTab.unassigned).length}`;
  if (!node || node.dataset.next === numbers) return;
  node.dataset.next = numbers;
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-next]");
  if (fresh && node.isConnected) node.replaceWith(document.importNode(fresh, true));
}

function place(move, sorted) {
  const list = groups[move].querySelector("ul");
  groups[move].hidden = sorted.length === 0;
  let next = list.firstElementChild;
  for (const line of sorted.slice(0, SHOWN)) {
    const row = rows.get(line.id) ?? clone("case-line");
    rows.set(line.id, row);
    fill(row, line);
    // A row that has the focus is not moved: moving it in the document would drop the focus.
    if (row === next) next = next.nextElementSibling;
    else if (row.parentNode !== list || !row.contains(document.activeElement)) list.insertBefore(row, next);
  }
}

function fill(row, line) {
  const link = row.firstElementChild;
  const theirs = line.move === "theirs";
  row.dataset.id = line.id;
  const href = `${pane.dataset.caseUrl.replace("00000000-0000-0000-0000-000000000000", line.id)}?tab=${tab}`;
  if (link.getAttribute("href") !== href) link.setAttribute("href", href);
  link.classList.toggle("case--rest", theirs);
  if (line.id === pane.dataset.current) link.setAttribute("aria-current", "true");
  link.querySelector("[data-waits]").hidden = theirs;
  link.querySelector("[data-paused]").hidden = !theirs;
  for (const chip of link.querySelectorAll("[data-channel]")) chip.hidden = chip.dataset.channel !== line.channel;
  link.querySelector('[data-f="topic"]').hidden = !line.topic;
  const avatar = link.querySelector("[data-avatar]");
  avatar.className = `avatar avatar--${"abcd"[sum(line.handle) % 4]}`;
  put(link, {
    initials: initials(line),
    handle: `@${line.handle}`,
    waits: since(line.waiting_since),
    preview: line.preview,
    topic: line.topic.charAt(0).toUpperCase() + line.topic.slice(1),
    agent: line.mine ? "" : (line.agent ?? ""),
  });
}

// The same as views/workspace.py gives the lines that the server draws.
const sum = (text) => [...text].reduce((total, letter) => total + letter.codePointAt(0), 0);

function initials(line) {
  const names = line.name.split(/\s+/).filter((name) => /^[\p{L}\p{N}]/u.test(name));
  if (!names.length) names.push(line.handle || "?");
  const letters = names.length > 1 ? [...names[0]][0] + [...names[1]][0] : [...names[0]].slice(0, 2).join("");
  return letters.toUpperCase();
}

for (const link of pane.querySelectorAll("[data-tab-link]")) {
  link.addEventListener("click", (event) => {
    if (!known || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    tab = link.dataset.tabLink;
    for (const other of pane.querySelectorAll("[data-tab-link]")) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    history.replaceState(null, "", `?tab=${tab}`);
    draw();
  });
}

menu.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu.open) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
document.addEventListener("click", (event) => {
  if (menu.open && !menu.contains(event.target)) menu.open = false;
});

onRetry(() => socket.retry());
setInterval(() => socket.send({ type: "resume", after: latest }), LOOK_AGAIN);
setInterval(drawSoon, 20000); // the minutes in the badges
