// Takes <time datetime data-as>, leaves its text in the reader's own zone: day, weekday, hour, moment, or clock (an hour
// today, a moment before).

const language = document.documentElement.lang || "en";
const forms = {
  clock: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  weekday: { weekday: "long" },
  hour: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  day: { day: "numeric", month: "short", year: "numeric" },
  moment: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
};

export function localise(scope = document) {
  for (const node of scope.querySelectorAll("time[data-as][datetime]")) {
    const at = new Date(node.dateTime);
    if (!Number.isNaN(at.getTime())) {
      const today = at.toDateString() === new Date().toDateString();
      const as = node.dataset.as === "clock" && !today ? "moment" : node.dataset.as;
      node.textContent = new Intl.DateTimeFormat(language, forms[as]).format(at);
    }
  }
}

localise();
