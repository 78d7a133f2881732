// Takes the page of phone calls, leaves its list as it is now: read again when an inbox would change, and every 15 s.

import { connect } from "../citisocial/js/socket.js";
import { remember, swap } from "../citisocial/js/render.js";

const LOOK_AGAIN = 15000;
const SETTLE = 150; // several changes come together

const page = document.querySelector("[data-calls]");
const csrf = page.querySelector('input[name="csrfmiddlewaretoken"]').value;
let timer = 0;
let latest = new Date().toISOString();

remember(document);

const socket = connect(page.dataset.socket, {
  ticket: page.dataset.ticket,
  csrf,
  onFrame(frame) {
    if (frame.now) latest = frame.now;
    if (frame.type === "cases" && frame.cases.length) soon();
  },
  onState(state) {
    if (state !== "open") return;
    resume();
    soon();
  },
});

/** What an inbox asks for every 15 s; a socket on which nobody asks for anything counts as dead. */
function resume() {
  socket.send({ type: "resume", after: latest });
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(look, SETTLE);
}

async function look() {
  // A page that answered a POST has that address: the list is where the page before it was.
  const answer = await fetch(listed(), { headers: { Accept: "text/html" }, redirect: "error" }).catch(() => null);
  if (!answer || !answer.ok) return; // the next look finds it
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector('[data-part="calls"]');
  if (fresh) swap(page.querySelector('[data-part="calls"]'), fresh);
}

const listed = () => page.dataset.list + (new URL(location.href).pathname === page.dataset.list ? location.search : "");

setInterval(() => {
  resume();
  if (!document.hidden) look();
}, LOOK_AGAIN);
