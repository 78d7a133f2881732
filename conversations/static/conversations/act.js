// Takes a form of the page and the button that was pressed, leaves its answer without leaving the page.

import { word } from "../citisocial/js/render.js";

/**
 * POST the form as its button would. Resolves to the server's JSON when it was done, and throws an Error otherwise:
 * its message is the sentence to show, its `at` the place in the text that is meant, if one is.
 */
export async function act(form, button) {
  const target = button && button.hasAttribute("formaction") ? button.formAction : form.action;
  const body = new FormData(form, button);
  let answer;
  try {
    answer = await fetch(target, { method: "POST", body, headers: { Accept: "application/json" } });
  } catch {
    throw new Error(word("unreached"));
  }
  const data = await answer.json().catch(() => null);
  if (data && data.ok) return data;
  // Without a sentence of ours it is not known whether it was done: say so rather than invite a second one.
  const refusal = new Error(data && data.error ? data.error.message : word("look-first"));
  refusal.at = data?.error?.at;
  throw refusal;
}
