// Takes the frames of one case's socket, leaves its chat lines in order, each once, and nothing unsent forgotten.
//
// createLog({ send, lastSeq, seen, onLine, onPending }) -> { opened, lost, receive, post, edit, remove, ... }
//   send(frame) -> boolean      the socket's
//   lastSeq                     seq of the newest line that the page already shows
//   seen() -> seq               what the writer has before them; left out: a text goes out whatever was said meanwhile
//   onLine(frame)               the next line, in order, without gaps or repeats; one of kind edited or removed says
//                               what became of the earlier line `about`
//   onPending([{clientId, kind, about, text, state, reason}])  everything of ours that has no seq yet, whenever that
//                               changes; kind is post, edit or remove; state is "waiting" (no connection, or behind
//                               others), "sending", "slow" (goes again by itself, its reason says why), "overtaken" (something was
//                               said meanwhile: `confirm` or `drop` it) or "failed" (with its reason)
//   opened() / lost()           call from onState of the socket
//   receive(frame) -> boolean   call from onFrame; false for frames that are not about lines
//   post(text, template) -> clientId  say something, perhaps begun from a template (its id); it is kept and repeated
//                               until it has a seq or was refused
//   edit(seq, text), remove(seq) -> clientId  the same for a change of our own line `seq`
//   retry(clientId), confirm(clientId)  again; in spite of what was said meanwhile
//   drop(clientId) -> text      not any more
//   drawn(seq, clientIds)       the page was drawn again from the server and shows everything up to seq
//   last() -> seq of the newest line that the page shows; pending() -> how many of ours have no seq
// The database is the truth: `resume` asks for seq > lastSeq on connect, on a gap and every 15 s.

const LOOK_AGAIN = 15000;
const ANSWER_WITHIN = 5000;
const SLOWLY = 3000; // until the next try when the server said "too fast" or "not just now"
const BY_ITSELF = new Set(["too_fast", "try_again"]); // refusals that end without anybody's doing
const AT_ONCE = 8; // of ours that are on their way together; a long list must not look like a flood

export function createLog({ send, lastSeq = 0, seen = () => undefined, onLine, onPending = () => {} }) {
  let last = lastSeq;
  let connected = false;
  let slow = 0; // a timer: until it ends nothing of ours is sent
  let room = AT_ONCE;
  const early = new Map(); // seq -> line that came before the one that precedes it
  const unsent = new Map(); // clientId -> item, in the order of writing

  const resume = () => connected && send({ type: "resume", after: last });
  const changed = () => onPending([...unsent.values()].map((item) => ({ ...item, state: shown(item) })));
  const all = (state) => [...unsent.values()].filter((item) => item.state === state);

  /** What stands behind others while there is a connection is on its way as well, as far as people are concerned. */
  function shown(item) {
    if (item.state !== "waiting" || !connected) return item.state;
    return slow ? "slow" : "sending";
  }

  function frameOf(item) {
    const frame = { type: item.kind, client_id: item.clientId };
    if (item.kind !== "post") frame.seq = item.about;
    if (item.kind !== "remove") frame.text = item.text;
    if (item.template) frame.template = item.template;
    if (item.seen !== undefined) frame.seen = item.seen;
    return frame;
  }

  /** Whatever waits goes, in the order of writing, as far as there is room for it. */
  function flush() {
    if (!connected || slow) return;
    let free = room - all("sending").length;
    for (const item of unsent.values()) {
      if (item.state !== "waiting" && item.state !== "slow") continue;
      if (free <= 0 || !send(frameOf(item))) break;
      item.state = "sending";
      item.triedAt = Date.now();
      free -= 1;
    }
  }

  function go() {
    flush();
    changed();
  }

  function add(item) {
    const clientId = newId();
    unsent.set(clientId, { clientId, about: 0, text: "", template: 0, state: "waiting", reason: "", triedAt: 0, ...item });
    go();
    return clientId;
  }

  function again(clientId, more = {}) {
    const item = unsent.get(clientId);
    if (!item) return;
    Object.assign(item, { state: "waiting", reason: "" }, more);
    go();
  }

  function line(frame) {
    const wasOurs = unsent.delete(frame.client_id);
    if (frame.seq > last) early.set(frame.seq, frame);
    let next;
    while ((next = early.get(last + 1))) {
      early.delete(next.seq);
      last = next.seq;
      onLine(next);
    }
    if (wasOurs) {
      if (!unsent.size) room = AT_ONCE;
      go();
    }
    if (early.size) resume();
  }

  function caughtUp(frame) {
    if (frame.seq > last) {
      resume(); // there is more than one answer holds
      return;
    }
    // Only now is it known what arrived before the line broke: what is still unsent goes again, in its order.
    const stale = all("sending").filter((item) => Date.now() - item.triedAt > ANSWER_WITHIN);
    for (const item of stale) item.state = "waiting";
    if (unsent.size) go();
  }

  function problem(frame) {
    const item = frame.client_id && unsent.get(frame.client_id);
    if (!item) return false;
    if (BY_ITSELF.has(frame.code)) {
      Object.assign(item, { state: "slow", reason: frame.message });
      room = 1; // one after the other from now on, so that none passes another
      slow ||= setTimeout(() => {
        slow = 0;
        go();
      }, SLOWLY);
    } else {
      item.state = frame.code === "overtaken" ? "overtaken" : "failed";
      item.reason = frame.message;
    }
    go();
    return true;
  }

  setInterval(resume, LOOK_AGAIN);

  return {
    opened() {
      connected = true;
      resume();
    },
    lost() {
      connected = false;
      for (const item of [...all("sending"), ...all("slow")]) item.state = "waiting";
      changed();
    },
    receive(frame) {
      if (frame.type === "message") line(frame);
      else if (frame.type === "caught_up") caughtUp(frame);
      else if (frame.type === "problem") return problem(frame);
      else return false;
      return true;
    },
    post: (text, template = 0) => add({ kind: "post", text, template: Number(template), seen: seen() }),
    edit: (about, text) => add({ kind: "edit", about, text }),
    remove: (about) => add({ kind: "remove", about }),
    retry: (clientId) => again(clientId),
    confirm: (clientId) => again(clientId, { seen: last }),
    drop(clientId) {
      const item = unsent.get(clientId);
      unsent.delete(clientId);
      go();
      return item ? item.text : "";
    },
    drawn(seq, clientIds = []) {
      last = Math.max(last, seq);
      for (const known of [...early.keys()]) if (known <= last) early.delete(known);
      const before = unsent.size;
      clientIds.forEach((id) => unsent.delete(id));
      if (unsent.size !== before) go();
    },
    last: () => last,
    pending: () => unsent.size,
  };
}

function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // randomUUID exists in secure contexts only; a demo on a plain http address is none.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
