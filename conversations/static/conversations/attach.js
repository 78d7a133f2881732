// Takes the page's form for files, leaves it sending without leaving the page, and saying how far it is.
//
// The message itself comes over the chat's socket like any other. A file keeps its client_id until it was sent, so
// what was cut off may be sent again.

const box = document.querySelector("[data-attach-box]");
const form = box?.querySelector("[data-attach]");
if (form) start();

function start() {
  const said = form.querySelector("[data-said]");
  const bar = form.querySelector("[data-progress]");
  const stop = form.querySelector("[data-stop]");
  const words = form.querySelector("[data-words]").content;
  const { file: field, client_id: number } = form.elements;
  let request = null;

  function say(name, values = {}) {
    const text = words.querySelector(`[data-word="${name}"]`).textContent;
    tell(text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole)));
  }

  function tell(text) {
    if (said.textContent !== text) said.textContent = text;
  }

  function busy(on) {
    stop.hidden = bar.hidden = !on;
    form.querySelector('[type="submit"]').setAttribute("aria-disabled", String(on));
    if (!on) request = null;
  }

  function ended(name) {
    const status = request.status;
    const data = request.response; // null: not JSON, so not a word of ours
    busy(false);
    if (data?.ok) {
      form.reset();
      number.value = newId();
      return say("done", { name });
    }
    if (data?.error) return tell(data.error.message);
    return say(status === 0 ? "lost" : "odd", { name });
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (request) return;
    const chosen = field.files[0];
    if (!chosen) return say("none");
    const { name, size } = chosen;
    if (size > Number(form.dataset.most)) return say("large", { name, size: Math.ceil(size / 1048576) });
    request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      const n = Math.floor((100 * loaded) / total);
      bar.value = n;
      // Heard every ten steps: a screen reader is to say more than numbers.
      if (n < 100) say("going", { name, n: n - (n % 10) });
    });
    request.upload.addEventListener("load", () => say("checking", { name }));
    request.addEventListener("load", () => ended(name));
    request.addEventListener("error", () => ended(name));
    request.addEventListener("abort", () => {
      busy(false);
      say("stopped");
    });
    bar.value = 0;
    busy(true);
    say("going", { name, n: 0 });
    request.send(new FormData(form));
  });

  stop.addEventListener("click", () => request?.abort());

  // Another file, other words: another message.
  form.addEventListener("change", (event) => {
    if (request) return;
    number.value = newId();
    if (event.target === field) tell("");
  });

  addEventListener("beforeunload", (event) => {
    if (request) event.preventDefault();
  });
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
