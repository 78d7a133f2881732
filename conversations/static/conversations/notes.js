// Takes a note that an agent writes about a case, leaves it kept; it comes back with the page's next drawing.

import { act } from "./act.js";
import { announce } from "./line.js";

const form = document.querySelector("[data-note-form]");
const problem = form.querySelector("[data-note-problem]");
const text = form.querySelector("textarea");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.submitter ?? form.querySelector("button");
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  const kept = text.value;
  try {
    await act(form, button);
    if (text.value === kept) text.value = "";
    problem.textContent = "";
    text.removeAttribute("aria-invalid");
    announce(form.dataset.saved);
  } catch (refusal) {
    problem.textContent = refusal.message;
    text.setAttribute("aria-invalid", "true");
  } finally {
    button.removeAttribute("aria-disabled");
  }
});
