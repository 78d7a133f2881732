// Takes the part of the customer's page that says who answers, leaves its buttons pressed without leaving the page: what
// is written and not sent yet must not be lost. And when it opens the part is read again.

import { swap } from "../citisocial/js/render.js";
import { localise } from "./times.js";

const LOOK_AGAIN = 30000;

const part = () => document.querySelector('[data-part="waiting"]');

async function put(answer) {
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector('[data-part="waiting"]');
  if (fresh) localise(swap(part(), fresh));
  return fresh ? "" : (page.querySelector("main p")?.textContent ?? "");
}

function complain(sentence) {
  const node = part().querySelector("[data-problem]");
  if (!node || !sentence) return;
  node.textContent = sentence;
  node.hidden = false;
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-choose]");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("button");
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    complain(await put(await fetch(form.action, { method: "POST", body: new FormData(form) })));
  } catch {
    complain(form.closest("[data-part]").dataset.unreached);
  } finally {
    button.removeAttribute("aria-disabled");
  }
});

// When it opens, by the reader's clock; one that is ahead asks a few times more often than needed.
setInterval(async () => {
  const opens = Date.parse(part()?.dataset.opens ?? "");
  if (Number.isNaN(opens) || Date.now() < opens) return;
  const answer = await fetch(location.href).catch(() => null);
  if (answer?.ok) await put(answer);
}, LOOK_AGAIN);
