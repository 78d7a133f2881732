// Takes a path and two callbacks, leaves a WebSocket that comes back by itself.
//
// connect(url, { ticket, csrf, onFrame, onState }) -> { send(frame), retry(), close() }
//   ticket, csrf              where a ticket for one opening is had by POST, and the page's CSRF token
//   onFrame(frame)            every JSON object that arrives
//   onState("open", 0)        connected; ask for what was missed now
//   onState("lost", seconds)  not connected, next try in that many seconds
//   onState("over", 0)        the server ended it for good (signed out, no longer allowed): no further try
//   send(frame) -> boolean    false when nothing could be written; what must arrive is kept by the caller

const FIRST_WAIT = 0.5;
const LONGEST_WAIT = 15;
const SPREAD = 3; // seconds over which everybody comes back to a server that was restarted
const SILENCE = 45; // seconds; callers ask for something every 15 s, so this much silence is a dead line
const STALE = 20; // the same for somebody who comes back to the page and looks at it now
const HANDSHAKE = 10;
const PROTOCOL = "chat.v1";
const SIGNED_OUT = 4401;
const REFUSED = 4403;
const RESTART = 1012;

export function connect(url, { ticket, csrf, onFrame, onState }) {
  const address = new URL(url, location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  let socket = null;
  let asking = null; // the AbortController of a ticket that is being asked for
  let began = 0;
  let timer = 0;
  let tries = 0;
  let heard = 0;
  let closed = false;

  async function open() {
    clearTimeout(timer);
    const mine = new AbortController();
    asking = mine;
    began = Date.now();
    const answer = await ask(mine.signal);
    if (asking !== mine) return; // given up, or asked again, meanwhile
    asking = null;
    if (answer === "over") over();
    else if (!answer) ended(0);
    else enter(answer);
  }

  /** A ticket; null when it could not be asked for now; "over" when none is given to this page any more. */
  async function ask(signal) {
    try {
      const headers = { Accept: "application/json", "X-CSRFToken": csrf };
      const answer = await fetch(ticket, { method: "POST", headers, redirect: "manual", signal });
      // Signed out (perhaps sent to the sign-in), or not one's own any more.
      if ([401, 403, 404].includes(answer.status) || answer.type === "opaqueredirect") return "over";
      return answer.ok ? (await answer.json()).ticket : null;
    } catch {
      return null;
    }
  }

  function enter(granted) {
    const mine = new WebSocket(address, [PROTOCOL, `ticket.${granted}`]);
    let opened = false;
    socket = mine;
    heard = Date.now();
    mine.onopen = () => {
      opened = true;
      heard = Date.now();
      onState("open", 0);
    };
    mine.onmessage = (event) => {
      tries = 0; // not before: a server may open and fail at once
      heard = Date.now();
      onFrame(JSON.parse(event.data));
    };
    mine.onclose = (event) => {
      if (socket !== mine) return;
      // One's own new password ends the session as well, and the page has a new one: the ticket's answer knows.
      const refused = event.code === SIGNED_OUT || event.code === REFUSED;
      if (refused && !opened) over();
      else if (refused && tries === 0) ended(event.code, 0);
      else ended(event.code);
    };
  }

  function over() {
    socket = null;
    closed = true;
    onState("over", 0);
  }

  function ended(code, wait = pause(code)) {
    socket = null;
    if (closed) return;
    tries += 1;
    clearTimeout(timer);
    timer = setTimeout(open, wait * 1000);
    onState("lost", wait);
  }

  /** Doubling with jitter: a thousand tabs that lost the same server must not come back in the same second. */
  function pause(code) {
    if (code === RESTART && tries === 0) return 0.2 + Math.random() * SPREAD;
    return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** tries) * (0.5 + Math.random() / 2);
  }

  function abandon(wait) {
    const dead = socket;
    asking?.abort();
    asking = null;
    ended(0, wait);
    dead?.close();
  }

  /** For how many seconds nothing was heard from the server, of which something is expected. */
  const silent = () => (asking || socket ? (Date.now() - (asking ? began : heard)) / 1000 : 0);

  const watch = setInterval(() => {
    const opening = asking || socket?.readyState === WebSocket.CONNECTING;
    if (silent() > (opening ? HANDSHAKE : SILENCE)) abandon();
  }, 5000);

  function retry() {
    if (!socket && !asking && !closed) open();
  }

  /** Back from sleep or from another page: what has been silent for so long is not waited for. */
  function wake() {
    if (document.visibilityState === "hidden") return;
    if (silent() > STALE) abandon(0);
    else retry();
  }

  addEventListener("online", wake);
  addEventListener("pageshow", wake);
  document.addEventListener("visibilitychange", wake);
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
      removeEventListener("online", wake);
      removeEventListener("pageshow", wake);
      document.removeEventListener("visibilitychange", wake);
      asking?.abort();
      asking = null;
      if (socket) socket.close();
    },
  };
}
