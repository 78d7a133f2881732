// Takes "/" at the start of a line, or the button, leaves the template that was picked: a list to filter while typing.

const ASKED = /(?:^|\n)\/([^\n]{0,40})$/; // what stands before the caret
const PLACE = /\{\{\s*\w*\s*\}\}/; // what nobody knows in a filled template

/**
 * `field()` is the text; `offered()` gives [{id, name, language}] for the chosen audience, in order; `onPick(id, start,
 * end)` is called with the place that the template takes. The list and the text may come and go: they are looked up.
 */
export function startPicker({ page, field, offered, onPick }) {
  const list = () => page.querySelector("[data-picks]");
  const isOpen = () => list() !== null && !list().hidden;
  let from = -1; // where the template goes: from here to the caret
  let left = -1; // the "/" that was left with Escape asks no more

  function look() {
    const box = field();
    const before = box.value.slice(0, box.selectionStart);
    const asked = box.selectionStart === box.selectionEnd && before.match(ASKED);
    const slash = asked ? before.length - asked[1].length - 1 : -1;
    if (slash !== left) left = -1;
    if (slash < 0 || left >= 0) return close();
    from = slash;
    return show(asked[1]);
  }

  function show(typed) {
    const words = typed.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const fits = offered().filter(({ name }) => words.every((part) => name.toLocaleLowerCase().includes(part)));
    if (!fits.length) return close();
    list().replaceChildren(...fits.map(option));
    list().hidden = false;
    const box = field();
    box.setAttribute("role", "combobox");
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-controls", list().id);
    box.setAttribute("aria-expanded", "true");
    return mark(list().firstElementChild);
  }

  function option({ id, name, language }) {
    const node = document.createElement("li");
    node.id = `pick-${id}`;
    node.dataset.id = id;
    node.setAttribute("role", "option");
    node.lang = language;
    node.append(name);
    const tag = document.createElement("span");
    tag.className = "picks__lang";
    tag.textContent = language;
    node.append(tag);
    return node;
  }

  function mark(node) {
    for (const one of list().children) one.setAttribute("aria-selected", String(one === node));
    field().setAttribute("aria-activedescendant", node.id);
    node.scrollIntoView({ block: "nearest" });
  }

  function close() {
    if (!isOpen()) return;
    list().hidden = true;
    list().replaceChildren();
    for (const name of ["role", "aria-autocomplete", "aria-controls", "aria-expanded", "aria-activedescendant"]) {
      field()?.removeAttribute(name);
    }
  }

  function pick(node) {
    const [start, end] = [from, field().selectionEnd];
    close();
    onPick(node.dataset.id, start, end);
  }

  function step(by) {
    const all = [...list().children];
    const at = all.findIndex((node) => node.getAttribute("aria-selected") === "true");
    mark(all[(at + by + all.length) % all.length]);
  }

  page.addEventListener("input", (event) => event.target === field() && look());
  page.addEventListener("keydown", (event) => {
    if (event.target !== field() || !isOpen() || event.isComposing || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowDown") step(1);
    else if (event.key === "ArrowUp") step(-1);
    else if (event.key === "Enter" || event.key === "Tab") pick(list().querySelector('[aria-selected="true"]'));
    else if (event.key === "Escape") [left] = [from, close()];
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  // The focus stays in the text: that is where the keys are heard.
  page.addEventListener("pointerdown", (event) => {
    if (event.target.closest("[data-picks], [data-pick-open]")) event.preventDefault();
  });
  page.addEventListener("click", (event) => {
    const node = event.target.closest("[data-picks] [data-id]");
    if (node) pick(node);
    if (!event.target.closest("[data-pick-open]")) return;
    if (isOpen()) return void close();
    field().focus();
    from = field().selectionStart;
    show("");
  });
  page.addEventListener("focusout", (event) => event.target === field() && close());

  return { close };
}

/** Put a template's text where it goes; what nobody knew in it is selected, to be typed over. */
export function putTemplate(box, text, start, end) {
  box.setRangeText(text, start, end, "end");
  const missing = text.match(PLACE);
  if (missing) box.setSelectionRange(start + missing.index, start + missing.index + missing[0].length);
}
