// Takes a page of the admin, leaves it renewed every 15 s where it says so, and with the alarm on top when there is one.

const SECONDS = 15;
const ALARM = "/admin/conversations/brandaccount/alarm/";

/** Put what the address answers into the element; whatever goes wrong leaves the page as it is until the next time. */
async function renew(element, address) {
  let answer;
  try {
    answer = await fetch(address, { headers: { Accept: "text/html" }, redirect: "error" });
  } catch {
    return;
  }
  if (!answer.ok) return;
  const words = (await answer.text()).trim();
  if (element.said === words) return; // a live region is read aloud again when it is touched
  element.said = words;
  const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...element.querySelectorAll("details[open][id]")].map((one) => one.id);
  element.innerHTML = words;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function alarm() {
  const content = document.getElementById("content");
  if (!content || document.body.classList.contains("popup")) return null;
  const place = document.createElement("div");
  place.setAttribute("role", "alert");
  content.prepend(place);
  return place;
}

function start() {
  const pieces = [...document.querySelectorAll("[data-renew]")].map((one) => [one, one.dataset.renew]);
  const place = alarm();
  if (place) {
    pieces.push([place, ALARM]);
    renew(place, ALARM);
  }
  if (!pieces.length) return;
  setInterval(() => {
    if (!document.hidden) for (const [element, address] of pieces) renew(element, address);
  }, SECONDS * 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) for (const [element, address] of pieces) renew(element, address);
  });
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
