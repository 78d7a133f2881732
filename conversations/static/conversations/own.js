// Takes one's own lines, leaves under each newest of its kind how far it came, and a way to change or take them back.

import { clone, put, serverNow, word } from "../citisocial/js/render.js";

const LOOK_AGAIN = 20000; // what was young enough to be changed grows old

/**
 * startOwn({ list, side, name, minutes, mayWrite, log, marks }) -> { draw, marked, pending, changed }
 *   list()         the element with the lines; it may be drawn anew
 *   side, name     whose lines are one's own; without a name all of the side
 *   minutes        for so long they may be changed
 *   mayWrite()     whether anything may be written now
 *   marks          { delivered, read } of the other side as the page was drawn
 *   marked(frame)  a frame `marks`
 *   pending(items) those of the log
 *   changed(seq)   the line is not what it was
 */
export function startOwn({ list, side, name = "", minutes, mayWrite, log, marks }) {
  const far = { delivered: marks.delivered, read: marks.read };
  const notes = new Map(); // seq -> what is said under a line instead of how far it came
  let labelled = new Set();
  let open = new Set(); // lines with a menu
  let editing = null; // { seq, form, clientId }

  const own = () => [...list().querySelectorAll(`[data-seq][data-side="${side}"]`)].filter((node) => node.querySelector("[data-state]"));
  const find = (seq) => list().querySelector(`[data-seq="${Number(seq)}"]`);
  const level = (seq) => (seq <= far.read ? "read" : seq <= far.delivered ? "delivered" : "sent");

  function draw() {
    const lines = own().filter((node) => node.dataset.changed !== "removed");
    drawStates(lines);
    drawMenus(lines);
  }

  function drawStates(lines) {
    const now = new Map();
    const shown = new Set();
    for (const node of [...lines].reverse()) {
      const state = level(Number(node.dataset.seq));
      if (!shown.has(state)) now.set(node, word(state));
      shown.add(state);
      if (state === "read") break;
    }
    for (const [seq, note] of notes) if (find(seq)) now.set(find(seq), note);
    for (const node of labelled) if (!now.has(node)) setState(node, "");
    for (const [node, text] of now) setState(node, text);
    labelled = new Set(now.keys());
  }

  function setState(node, text) {
    const place = node.querySelector("[data-state]");
    if (place && place.textContent !== text) place.textContent = text;
  }

  function drawMenus(lines) {
    const since = serverNow() - minutes * 60000;
    const young = (node) => Date.parse(node.dataset.at) > since && (!name || node.dataset.name === name);
    const now = new Set(mayWrite() ? lines.filter(young) : []);
    for (const node of open) if (!now.has(node)) showMenu(node, false);
    for (const node of now) showMenu(node, true);
    open = now;
  }

  function showMenu(node, visible) {
    const menu = node.querySelector("[data-line-menu]");
    if (!menu) return;
    menu.hidden = !visible;
    if (!visible) menu.open = false;
    menu.querySelector("[data-change]").hidden = node.dataset.kind !== "said";
  }

  function closeMenu(node) {
    const menu = node?.querySelector("[data-line-menu]");
    if (menu) menu.open = false;
  }

  // Changing the text, in its place.

  function edit(node) {
    endEdit();
    const form = clone("line-edit");
    const body = node.querySelector(".msg__body");
    const field = form.querySelector("textarea");
    field.value = node.querySelector('[data-f="text"]').textContent;
    field.rows = Math.min(8, Math.max(2, field.value.split("\n").length));
    editing = { seq: Number(node.dataset.seq), form, clientId: "" };
    closeMenu(node);
    body.hidden = true;
    body.after(form);
    field.focus();
  }

  function endEdit() {
    if (!editing) return;
    const { seq, form } = editing;
    editing = null;
    const focused = form.contains(document.activeElement);
    form.remove();
    const node = find(seq);
    if (!node) return;
    node.querySelector(".msg__body").hidden = false;
    if (focused) node.querySelector("[data-line-menu]:not([hidden]) summary")?.focus();
  }

  function save() {
    const text = editing.form.querySelector("textarea").value.trim();
    if (!text || editing.clientId) return;
    if (text === find(editing.seq)?.querySelector('[data-f="text"]').textContent) return endEdit();
    editing.clientId = log.edit(editing.seq, text);
  }

  function pending(items) {
    for (const item of items) {
      if (item.kind === "post") continue;
      const failed = item.state === "failed";
      const mine = editing && editing.clientId === item.clientId;
      const what = failed ? `not-${item.kind}` : item.kind;
      if (mine) {
        put(editing.form, { problem: failed ? item.reason : "", state: failed ? "" : word(what) });
        if (failed) editing.clientId = "";
      } else {
        notes.set(item.about, word(what, { why: item.reason }));
      }
      if (failed) queueMicrotask(() => log.drop(item.clientId)); // not while the log tells of it
    }
    draw();
  }

  function press(event) {
    const node = event.target.closest("[data-seq]");
    if (event.target.closest("[data-cancel]")) endEdit();
    if (!node) return;
    if (event.target.closest("[data-change]")) edit(node);
    if (event.target.closest("[data-take-back]")) {
      closeMenu(node);
      log.remove(Number(node.dataset.seq));
    }
  }

  function key(event) {
    const menu = event.target.closest("[data-line-menu]");
    const form = event.target.closest("[data-line-edit]");
    if (event.key === "Escape" && form) endEdit();
    else if (event.key === "Escape" && menu?.open) {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && form) form.requestSubmit();
  }

  document.addEventListener("click", (event) => {
    press(event);
    for (const node of open) if (!node.contains(event.target)) closeMenu(node);
  });
  document.addEventListener("keydown", key);
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-line-edit]")) return;
    event.preventDefault();
    save();
  });
  setInterval(draw, LOOK_AGAIN);

  return {
    draw,
    pending,
    marked(frame) {
      if (frame.side === side) return;
      far.delivered = Math.max(far.delivered, frame.delivered);
      far.read = Math.max(far.read, frame.read);
      draw();
    },
    changed(seq) {
      notes.delete(seq);
      if (editing?.seq === seq) endEdit();
      draw();
    },
  };
}
