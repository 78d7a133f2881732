// Takes the frames of one case's socket, leaves its chat messages in order, each once, and nothing unsent forgotten.
//
// createLog({ send, lastSeq, onMessage, onPending }) -> { opened, lost, receive, post, retry, drop, seen, last, pending }
//   send(frame) -> boolean      the socket's
//   lastSeq                     seq of the newest message that the page already shows
//   onMessage(frame)            the next message, in order, without gaps or repeats
//   onPending([{clientId, text, state, reason}])  everything of ours that has no seq yet, whenever that changes;
//                               state is "waiting" (no connection), "sending" or "failed" (with its reason)
//   opened() / lost()           call from onState of the socket
//   receive(frame) -> boolean   call from onFrame; false for frames that are not about messages
//   post(text, template) -> clientId  say something, perhaps begun from a template (its id); it is kept and repeated until it has a seq or was refused
//   last() -> seq of the newest message that the page shows
//   seen(seq, clientIds)        the page was drawn again from the server and shows everything up to seq
// The database is the truth: `resume` asks for seq > lastSeq on connect, on a gap and every 15 s.

const LOOK_AGAIN = 15000;
const ANSWER_WITHIN = 5000;

export function createLog({ send, lastSeq = 0, onMessage, onPending = () => {} }) {
  let last = lastSeq;
  let connected = false;
  const early = new Map(); // seq -> message that came before the one that precedes it
  const unsent = new Map(); // clientId -> {clientId, text, state, reason, triedAt}, in the order of writing

  const resume = () => connected && send({ type: "resume", after: last });
  const changed = () => onPending([...unsent.values()]);

  function attempt(item) {
    item.triedAt = Date.now();
    const frame = { type: "post", client_id: item.clientId, text: item.text };
    if (item.template) frame.template = item.template;
    const sent = connected && send(frame);
    item.state = sent ? "sending" : "waiting";
  }

  function message(frame) {
    const wasOurs = unsent.delete(frame.client_id);
    if (frame.seq > last) early.set(frame.seq, frame);
    let next;
    while ((next = early.get(last + 1))) {
      early.delete(next.seq);
      last = next.seq;
      onMessage(next);
    }
    if (wasOurs) changed();
    if (early.size) resume();
  }

  function caughtUp(frame) {
    if (frame.seq > last) {
      resume(); // there is more than one answer holds
      return;
    }
    // Only now is it known what arrived before the line broke: what is still unsent goes again, in its order.
    const stale = [...unsent.values()].filter(
      (item) => item.state === "waiting" || (item.state === "sending" && Date.now() - item.triedAt > ANSWER_WITHIN),
    );
    stale.forEach(attempt);
    if (stale.length) changed();
  }

  function problem(frame) {
    const item = frame.client_id && unsent.get(frame.client_id);
    if (!item) return false;
    item.state = "failed";
    item.reason = frame.message;
    changed();
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
      for (const item of unsent.values()) if (item.state === "sending") item.state = "waiting";
      changed();
    },
    receive(frame) {
      if (frame.type === "message") message(frame);
      else if (frame.type === "caught_up") caughtUp(frame);
      else if (frame.type === "problem") return problem(frame);
      else return false;
      return true;
    },
    post(text, template = 0) {
      const item = { clientId: newId(), text, template: Number(template), state: "waiting", reason: "", triedAt: 0 };
      unsent.set(item.clientId, item);
      attempt(item);
      changed();
      return item.clientId;
    },
    retry(clientId) {
      const item = unsent.get(clientId);
      if (!item) return;
      attempt(item);
      changed();
    },
    drop(clientId) {
      const item = unsent.get(clientId);
      unsent.delete(clientId);
      changed();
      return item ? item.text : "";
    },
    seen(seq, clientIds = []) {
      last = Math.max(last, seq);
      for (const known of [...early.keys()]) if (known <= last) early.delete(known);
      const before = unsent.size;
      clientIds.forEach((id) => unsent.delete(id));
      if (unsent.size !== before) changed();
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
