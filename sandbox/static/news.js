// Takes places marked data-news, leaves them fresh: asks every three seconds, and changes the page only when there is news.
const PAUSE = 3000;

for (const place of document.querySelectorAll("[data-news]")) {
  let tag = `"${place.dataset.tag}"`;
  place.scrollTop = place.scrollHeight;

  setInterval(async () => {
    // Nobody looks, or somebody is on a link in there: do not move it under them.
    if (document.hidden || place.contains(document.activeElement)) return;
    try {
      const answer = await fetch(place.dataset.news, { headers: { "If-None-Match": tag }, cache: "no-store" });
      if (answer.status !== 200 || answer.redirected) return;
      const atEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 40;
      tag = answer.headers.get("ETag");
      place.innerHTML = await answer.text();
      if (atEnd) place.scrollTop = place.scrollHeight;
    } catch {
      // The server is away; the next round asks again.
    }
  }, PAUSE);
}
