// Takes unfold's page as it loads, leaves it within the content policy and in the house's colours.

// htmx would write a style element for an indicator that no page here has, and could compile code out of attributes.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;

// unfold keeps the chosen theme as a class; our tokens read it from data-theme.
const root = document.documentElement;
const follow = () => {
  root.dataset.theme = root.classList.contains("dark") ? "dark" : "light";
};
new MutationObserver(follow).observe(root, { attributes: true, attributeFilter: ["class"] });

// The bar of actions gets its width from our style sheet; a width written by a script would be an inline style.
document.addEventListener("alpine:init", () => {
  for (const bar of document.querySelectorAll("#changelist-actions")) bar.removeAttribute("x-bind:style");
});

// What is dead is said on every page of the admin, and pages that show how things stand renew themselves.
import("./renew.js");
