// Comfort that pages do without: a password that can be looked at, text that is copied by a button.
"use strict";

for (const box of document.querySelectorAll("[data-secret]")) {
  const input = box.querySelector("input");
  const button = document.createElement("button");
  const { show, hide } = box.dataset;
  button.type = "button";
  button.textContent = show;
  button.setAttribute("aria-controls", input.id);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    const isShown = input.type === "text";
    input.type = isShown ? "password" : "text";
    button.textContent = isShown ? show : hide;
    button.setAttribute("aria-pressed", String(!isShown));
    input.focus();
  });
  input.form.addEventListener("submit", () => { input.type = "password"; });
  box.append(button);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = [...document.querySelectorAll(button.dataset.copy)].map((each) => each.textContent.trim()).join("\n");
    await navigator.clipboard.writeText(text);
    button.textContent = button.dataset.copied;
  });
}
