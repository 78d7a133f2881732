// Takes what the agent writes, leaves it counted as its audience counts and sent to the audience that is chosen.

import { word } from "../citisocial/js/render.js";
import { act } from "./act.js";
import { putTemplate, startPicker } from "./picker.js";

const PAUSE = 300; // milliseconds without a key before the text is measured
const KINDS = { dm: "dm", public: "reply" };
const LINK = "{link}";
const USES = { dm: ["invitation"], public: ["reply"], secure: ["chat"] };

/** `say(text)` posts to the chat, `refresh()` draws the page again. The form may come and go: it is looked up. */
export function startComposer({ page, say, refresh }) {
  const form = () => page.querySelector("[data-composer]");
  const field = () => page.querySelector("[data-text]");
  const from = () => page.querySelector("[data-template]"); // the template that the text began with
  const audience = () => page.querySelector('[name="audience"]:checked')?.value ?? "";
  const visible = () => [...form().querySelectorAll(".btn--send")].find((button) => button.offsetParent);
  let timer = 0;
  let asked = 0;
  let busy = false; // a text is on its way to the server
  let tooLong = ""; // why nothing can be sent, as far as it was counted

  function complain(sentence) {
    const place = page.querySelector("[data-problem]") ?? document.getElementById("said");
    if (place.textContent !== sentence) place.textContent = sentence;
  }

  /** Select what was refused: `at` counts code points of the text as it was sent, the field counts UTF-16. */
  function point(box, at) {
    const units = (points) => [...box.value].slice(0, points).join("").length;
    box.setAttribute("aria-invalid", "true");
    box.focus();
    if (at) box.setSelectionRange(units(at[0]), units(at[1]));
  }

  function choose(value) {
    const option = page.querySelector(`[name="audience"][value="${value}"]`);
    if (option && !option.disabled) option.checked = true;
    else page.querySelector('[name="audience"]:enabled')?.click();
  }

  function putBack(text) {
    const box = field();
    if (!box || !text) return;
    if (!box.value.trim()) box.value = text.endsWith(LINK) ? text.slice(0, -LINK.length).trim() : text;
    changed();
    box.focus();
  }

  function changed() {
    if (!form()) return;
    grow(field());
    if (!field().value.trim()) from().value = "";
    for (const group of form().querySelectorAll("[data-use]")) {
      group.disabled = !(USES[audience()] ?? []).includes(group.dataset.use);
      group.hidden = group.disabled;
    }
    tooLong = ""; // not known of this text; the server counts before anything leaves
    clearTimeout(timer);
    timer = setTimeout(measure, PAUSE);
  }

  async function measure() {
    if (!form()) return;
    const to = audience();
    const text = field().value;
    const mine = ++asked;
    const limit = Number(page.querySelector('[name="audience"]:checked')?.dataset.limit ?? 0);
    if (!limit) return count(0, 0);
    if (!KINDS[to]) return count([...text.trim()].length, limit);
    const body = new FormData();
    const linked = to === "dm" && form().querySelector("#with-link").checked && !text.includes(LINK);
    body.set("text", linked ? `${text} ${LINK}` : text);
    body.set("kind", KINDS[to]);
    body.set("csrfmiddlewaretoken", form().querySelector("[name=csrfmiddlewaretoken]").value);
    try {
      const answer = await fetch(page.dataset.measure, { method: "POST", body, headers: { Accept: "application/json" } });
      const found = await answer.json();
      if (mine === asked && answer.ok) count(found.used, found.limit);
    } catch {
      count(0, 0); // not worth a word: the server counts again before anything leaves
    }
  }

  function count(used, limit) {
    if (!form()) return; // it may have gone while the server counted
    const place = form().querySelector("[data-chars]");
    const number = (n) => n.toLocaleString(document.documentElement.lang);
    const over = used - limit;
    const text = { used: number(used), limit: number(limit), over: number(over) };
    place.textContent = limit ? word(over > 0 ? "chars-over" : "chars", text) : "";
    place.classList.toggle("chars--over", over > 0);
    // Not `disabled`: the focus stays, and who presses is told why.
    for (const button of form().querySelectorAll(".btn--send")) {
      if (over > 0) button.setAttribute("aria-disabled", "true");
      else if (!busy) button.removeAttribute("aria-disabled");
    }
    tooLong = over > 0 ? place.textContent : "";
  }

  async function send(button) {
    const box = field();
    const text = box.value.trim();
    const typed = box.value;
    if (!text) return box.focus();
    complain(tooLong);
    if (tooLong) return box.focus();
    if (audience() === "secure") {
      say(text, from().value);
      return sent(box);
    }
    if (busy) return;
    busy = true;
    button.setAttribute("aria-disabled", "true");
    try {
      await act(form(), button);
      if (box.value.trim() === text) sent(box);
      refresh();
    } catch (refusal) {
      complain(refusal.message);
      if (box.value === typed) point(box, refusal.at);
    } finally {
      busy = false;
      if (!tooLong) button.removeAttribute("aria-disabled");
      box.focus();
    }
  }

  function sent(box) {
    box.value = "";
    changed();
    box.focus();
  }

  const offered = () =>
    [...page.querySelectorAll("[data-use]:enabled option")].map(({ value, label, lang }) => ({
      id: value,
      name: label,
      language: lang,
    }));

  async function insert(id, start, end) {
    const url = new URL(document.getElementById("pick").action);
    url.searchParams.set("template", id);
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" } });
      const { text } = await answer.json();
      const box = field();
      putTemplate(box, text, start, end);
      from().value = id;
      changed();
      box.focus();
    } catch {
      complain(word("unreached"));
    }
  }

  const picker = startPicker({ page, field, offered, onPick: insert });

  page.addEventListener("submit", (event) => {
    if (event.target !== form()) return;
    event.preventDefault();
    send(event.submitter);
  });
  page.addEventListener("input", (event) => {
    if (event.target !== field()) return;
    if (field().hasAttribute("aria-invalid")) complain(""); // it was of the text as it stood
    field().removeAttribute("aria-invalid");
    changed();
  });
  page.addEventListener("change", (event) => {
    if (!event.target.matches('[name="audience"], #with-link')) return;
    picker.close(); // it offered what fits another audience
    changed();
  });
  page.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target !== field()) return;
    event.preventDefault();
    const button = visible();
    if (button) form().requestSubmit(button);
  });
  page.classList.add("has-script");
  changed();

  return { audience, choose, complain, putBack, changed };
}

/** As tall as its text, up to what the sheet allows. */
function grow(box) {
  box.rows = Math.min(8, Math.max(2, box.value.split("\n").length + Math.floor(box.value.length / 90)));
}
