// Takes keys, looks and the frames of others, leaves both sides knowing who writes and who is here, and soon forgotten.

import { put, word } from "../citisocial/js/render.js";

const STOPPED = 4000; // after the last key
const STILL = 10000; // between two words about it
const HERE = 15000;
const FORGET = 30000;

/** Tell the others that somebody writes. `key()` at each key, `stop()` when it was sent or taken out. */
export function startTyping(send) {
  let on = false;
  let toldAt = 0;
  let timer = 0;

  function stop() {
    clearTimeout(timer);
    if (on) send({ type: "typing", on: false });
    on = false;
  }

  function key() {
    clearTimeout(timer);
    timer = setTimeout(stop, STOPPED);
    if (on && Date.now() - toldAt < STILL) return;
    on = send({ type: "typing", on: true });
    toldAt = Date.now();
  }

  return { key, stop };
}

/** Tell the others what this agent does in the case: `what()` is looking or replying, and a hidden page has left. */
export function startLooking(send, what) {
  let told = "";

  function tell() {
    const now = document.visibilityState === "hidden" ? "left" : what();
    if (now === "left" && told === "left") return;
    if (send({ type: "looking", what: now })) told = now;
  }

  /** At once when it changed; otherwise the next look says it again. */
  function changed() {
    if (document.visibilityState === "hidden" || what() !== told) tell();
  }

  function opened() {
    told = "";
    tell();
  }

  setInterval(tell, HERE);
  document.addEventListener("visibilitychange", tell);
  addEventListener("pagehide", () => send({ type: "looking", what: "left" }));
  return { changed, opened };
}

/**
 * A line of text about others that forgets each of them 30 s after the last word. `place()` finds it, since the page
 * may be drawn anew; `say(people)` makes the text. It is no live region: it would be read aloud all the time.
 */
function startLine(place, say) {
  const people = new Map(); // key -> { name, what, timer }

  function draw() {
    const line = place();
    if (!line) return;
    const text = people.size ? say([...people.values()]) : "";
    put(line, { text });
    line.hidden = !text;
  }

  function drop(key) {
    clearTimeout(people.get(key)?.timer);
    if (people.delete(key)) draw();
  }

  function keep(key, name, what) {
    clearTimeout(people.get(key)?.timer);
    people.set(key, { name, what, timer: setTimeout(() => drop(key), FORGET) });
    draw();
  }

  return { keep, drop, draw };
}

const names = (people) => {
  const list = new Intl.ListFormat(document.documentElement.lang || "en");
  return list.format([...new Set(people.map((one) => one.name))]);
};

/** "Maya is writing…", of the frames `typing` of other sides than `mine`; a message of theirs ends it. */
export function showTyping(place, mine) {
  const line = startLine(place, (people) => {
    const who = names(people);
    return word(people.length > 1 ? "writing-many" : "writing", { who });
  });
  const key = (frame) => `${frame.side} ${frame.name}`;
  return {
    draw: line.draw,
    take(frame) {
      if (frame.side === mine) return;
      if (frame.on) line.keep(key(frame), frame.name, "");
      else line.drop(key(frame));
    },
    said: (frame) => line.drop(key(frame)),
  };
}

/** "Grace is replying. Omar is looking.", of the frames `here`. */
export function showHere(place) {
  const line = startLine(place, (people) =>
    ["replying", "looking", "joined"]
      .map((what) => [what, people.filter((one) => one.what === what)])
      .filter(([, some]) => some.length)
      .map(([what, some]) => word(some.length > 1 ? `${what}-many` : what, { who: names(some) }))
      .join(" "),
  );
  return {
    draw: line.draw,
    take(frame) {
      if (frame.what === "left") line.drop(frame.id);
      else line.keep(frame.id, frame.name, frame.what);
    },
  };
}
