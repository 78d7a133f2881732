// Takes a path and two callbacks, leaves a WebSocket that comes back by itself.
//
// connect(url, { onFrame, onState }) -> { send(frame), retry(), close() }
//   onFrame(frame)            every JSON object that arrives
//   onState("open", 0)        connected; ask for what was missed now
//   onState("lost", seconds)  not connected, next try in that many seconds
//   onState("over", 0)        the server ended it for good (signed out, no longer allowed): no further try
//   send(frame) -> boolean    false when nothing could be written; what must arrive is kept by the caller

const FIRST_WAIT = 0.5;
const LONGEST_WAIT = 15;
const SILENCE = 45; // seconds; callers ask for something every 15 s, so this much silence is a dead line
const HANDSHAKE = 10;

export function connect(url, { onFrame, onState }) {
  const address = new URL(url, location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  let socket = null;
  let timer = 0;
  let tries = 0;
  let heard = 0;
  let closed = false;

  function open() {
    clearTimeout(timer);
    const mine = new WebSocket(address);
    socket = mine;
    heard = Date.now();
    mine.onopen = () => {
      tries = 0;
      heard = Date.now();
      onState("open", 0);
    };
    mine.onmessage = (event) => {
      heard = Date.now();
      onFrame(JSON.parse(event.data));
    };
    mine.onclose = (event) => {
      if (socket === mine) ended(event.code);
    };
  }

  function ended(code) {
    socket = null;
    if (closed) return;
    if (code >= 4400 && code < 4500) {
      closed = true;
      onState("over", 0);
      return;
    }
    // Doubling with jitter: a thousand tabs that lost the same server must not come back in the same second.
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** tries);
    const wait = longest * (0.5 + Math.random() / 2);
    tries += 1;
    timer = setTimeout(open, wait * 1000);
    onState("lost", wait);
  }

  function abandon() {
    const dead = socket;
    ended(0);
    dead.close();
  }

  const watch = setInterval(() => {
    if (!socket) return;
    const silent = (Date.now() - heard) / 1000;
    const opening = socket.readyState === WebSocket.CONNECTING;
    if (silent > (opening ? HANDSHAKE : SILENCE)) abandon();
  }, 5000);

  function retry() {
    if (!socket && !closed) open();
  }

  addEventListener("online", retry);
  open();

  return {
    send(frame) {
      if (!socket || socket.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(frame));
      return true;
    },
    retry,
    close() {
      closed = true;
      clearTimeout(timer);
      clearInterval(watch);
      removeEventListener("online", retry);
      if (socket) socket.close();
    },
  };
}
