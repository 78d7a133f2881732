// Takes what went wrong between the browser and a passkey, leaves a sentence beside the button that was pressed.

document.addEventListener("allauth.error", (event) => {
  const place = document.querySelector("[data-passkey-problem]");
  if (!place) return;
  event.preventDefault(); // it is said here; otherwise it would stand in the console alone
  place.hidden = false;
  place.focus();
});
