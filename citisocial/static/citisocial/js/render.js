// Takes data and the page's own <template>s, leaves nodes; text goes in by textContent and in no other way.

const root = document.querySelector("[data-zone]");
const language = document.documentElement.lang || "en";
const clock = new Intl.DateTimeFormat(language, {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
  timeZone: (root && root.dataset.zone) || undefined,
});
// The server's clock is the one every time on the page was measured by.
let offset = 0;

/** Set the difference to the server's clock from an ISO 8601 time that it just gave. */
export function setNow(iso) {
  if (iso) offset = Date.parse(iso) - Date.now();
}

/** The server's time now, in milliseconds. */
export const serverNow = () => Date.now() + offset;

/** "14:08" in the reader's zone. */
export const hour = (iso) => clock.format(new Date(iso));

/** A translated sentence of the page's <template id="words">, with {names} filled in. */
export function word(name, values = {}) {
  const words = document.getElementById("words");
  const found = words && words.content.querySelector(`[data-word="${name}"]`);
  const text = found ? found.textContent : name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
}

/** "3 min", "2 h", "4 d": how long ago an ISO 8601 time is. */
export function since(iso) {
  const minutes = Math.max(0, Math.floor((serverNow() - Date.parse(iso)) / 60000));
  if (minutes < 60) return word("minutes", { n: minutes });
  if (minutes < 48 * 60) return word("hours", { n: Math.floor(minutes / 60) });
  return word("days", { n: Math.floor(minutes / 1440) });
}

/** A copy of the one element in <template id>, its [data-f] parts filled from `fields`. */
export function clone(id, fields = {}) {
  const node = document.getElementById(id).content.firstElementChild.cloneNode(true);
  return put(node, fields);
}

/** Fill [data-f=name] with fields[name]: text, or for <time> an ISO 8601 time. Unchanged text is left alone. */
export function put(node, fields) {
  for (const [name, value] of Object.entries(fields)) {
    for (const part of node.querySelectorAll(`[data-f="${name}"]`)) {
      const text = part.localName === "time" ? hour(value) : String(value);
      if (part.localName === "time") part.setAttribute("datetime", value);
      if (part.textContent !== text) part.textContent = text;
    }
  }
  return node;
}

const drawn = new WeakMap(); // node -> its HTML as the server drew it, before scripts touched it
const asDrawn = (node) => drawn.get(node) ?? html(node);
// Each answer masks the CSRF token anew: that alone is not a change.
const html = (node) => node.outerHTML.replace(/(name="csrfmiddlewaretoken" value=")[^"]*/g, "$1");

/** Remember how the server drew these nodes, before anything else changes them. */
export function remember(scope) {
  for (const node of scope.querySelectorAll("[data-key], [data-part]")) drawn.set(node, html(node));
}

/** Put `fresh` in the place of `old` where the server draws it differently now; focus stays on what has the same id. */
export function swap(old, fresh) {
  const before = html(fresh);
  if (asDrawn(old) === before) return old;
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const node = document.importNode(fresh, true);
  old.replaceWith(node);
  drawn.set(node, before);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  return node;
}

/**
 * Make the children of `old` those of `fresh`, told apart by data-key. What did not change is not touched, so a
 * screen reader hears only what is new; [data-items] is looked into, [data-fixed] changes when its value does.
 */
export function patch(old, fresh) {
  const kept = new Map([...old.children].map((node) => [node.dataset.key, node]));
  let place = old.firstElementChild;
  for (const next of [...fresh.children]) {
    const same = kept.get(next.dataset.key);
    if (!same) {
      const holder = new DocumentFragment();
      holder.append(document.importNode(next, true));
      remember(holder);
      old.insertBefore(holder, place);
      continue;
    }
    kept.delete(next.dataset.key);
    if (same !== place) old.insertBefore(same, place);
    let node = same;
    const items = next.querySelector("[data-items]");
    if (items) {
      patch(same.querySelector("[data-items]"), items);
    } else if (!("fixed" in same.dataset) || same.dataset.fixed !== next.dataset.fixed) {
      node = swap(same, next);
    }
    place = node.nextElementSibling;
  }
  kept.forEach((node) => node.remove());
}
