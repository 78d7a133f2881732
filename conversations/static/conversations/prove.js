// Takes the page that knows of the proof, leaves it told without a further press; without scripts there is the button.

document.querySelector("[data-prove]")?.requestSubmit();
