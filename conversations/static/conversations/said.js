// Takes lines of a chat as frames, leaves the nodes that show them, and what a later line made of an earlier one.
//
// A line's node has data-seq, data-side, data-name and data-at; data-fixed is the seq of its last change (0: none).

import { put, word } from "../citisocial/js/render.js";

const OURS = /^\/(?!\/)/; // a path on this site

/** What people say to each other; everything else is a notice or a change. */
export const isMessage = (frame) => frame.kind === "said" || frame.kind === "file";
export const isChange = (frame) => frame.kind === "edited" || frame.kind === "removed";

/** A notice in words, or "" for one that this page has no words for: that is not shown. */
export function notice(frame) {
  const code = frame.kind === "event" || frame.kind === "answered" ? frame.text : frame.kind;
  const name = `line-${code}`;
  const text = word(name, { name: frame.name || word("somebody"), text: frame.text });
  return text === name ? "" : text;
}

/** The node's own data and its link; its text and time are there already. */
export function fill(node, frame) {
  const fixed = node.dataset.fixed ?? "0";
  Object.assign(node.dataset, { seq: frame.seq, side: frame.side, name: frame.name, at: frame.at, kind: frame.kind, fixed });
  const link = node.querySelector("[data-link]");
  const says = word(`open-${frame.kind}`);
  if (link && OURS.test(frame.link ?? "") && says !== `open-${frame.kind}`) {
    link.href = frame.link;
    link.textContent = frame.file || says;
    link.hidden = false;
  }
  if (frame.changed) change(node, frame.changed, frame);
  return node;
}

/** Put what the change `frame` says into the line that it is about; null where that is not on the page. */
export function apply(list, frame) {
  const node = list.querySelector(`[data-seq="${Number(frame.about)}"]`);
  if (!node) return null;
  node.dataset.fixed = frame.seq;
  // An earlier text of something that was taken back since comes without words: the line that says so follows.
  if (frame.kind === "removed" || frame.text) change(node, frame.kind, frame);
  return node;
}

function change(node, what, frame) {
  const gone = what === "removed";
  const masked = node.querySelector("[data-masked]");
  put(node, { text: gone ? word("removed") : frame.text });
  if (masked?.dataset.f) put(node, { masked: frame.masked && !gone ? word("masked") : "" });
  else if (masked) masked.hidden = gone || !frame.masked;
  node.classList.toggle("msg--gone", gone);
  node.dataset.changed = what;
  node.querySelector("[data-changed-word]").hidden = gone;
  if (gone) node.querySelector("[data-link]")?.remove();
}
