// Reload and Back: what was typed is put into this entry of the tab's history, and is there again for the same user
// within an hour. No other page can read it. A form's `draft_of` names its user and the fields that may be kept. What
// the browser would put back by itself it shows to anyone who goes back in this tab, so it is told not to.
(() => {
  "use strict";
  const KEPT = 60 * 60 * 1000; // ms, as the server keeps what it could not receive
  const marks = [...document.querySelectorAll("input[name=draft_of]")];
  if (!marks.length) return;
  const { user } = marks[0].dataset;
  const wasSent = marks[0].dataset.method !== "GET"; // what the page shows first was typed then, and refused
  // Read anew each time: boxes may come to a form after it was shown.
  const kept = () => marks.flatMap((mark) => {
    const names = mark.dataset.fields.split(" ");
    const isKept = (name) => names.includes(name) || names.includes(name.replace(/\d+$/, "*"));
    return [...mark.form.elements].filter(({ name, type }) => isKept(name) && type !== "hidden");
  });
  for (const { form } of marks) form.autocomplete = "off";
  const isBox = ({ type }) => type === "checkbox" || type === "radio";
  const keyOf = (field) => (isBox(field) ? `${field.name}=${field.value}` : field.id || field.name);
  const valueOf = (field) => (isBox(field) ? field.checked : field.value);

  function shownFirst(field) {
    if (isBox(field)) return field.defaultChecked;
    if (!field.options) return field.defaultValue;
    return ([...field.options].find((option) => option.defaultSelected) || field.options[0])?.value;
  }

  // A text that follows other fields is theirs, unless it can't be read yet.
  const isOwn = (field) => !("follows" in field.dataset) || field.getAttribute("aria-invalid") === "true";

  function now() {
    const own = kept().filter((field) => isOwn(field) && (wasSent || valueOf(field) !== shownFirst(field)));
    return Object.fromEntries(own.map((field) => [keyOf(field), valueOf(field)]));
  }

  let last = ""; // as it was kept, or shown: nothing is written where nothing was typed
  function keep() {
    const values = now();
    if (JSON.stringify(values) === last) return;
    last = JSON.stringify(values);
    history.replaceState({ ...history.state, typed: { user, at: Date.now(), values } }, "");
  }

  function giveBack({ values }) {
    for (const { form } of marks) bringBoxes(form, values);
    const changed = kept().filter((field) => keyOf(field) in values && put(field, values[keyOf(field)]));
    addEventListener("load", () => {
      for (const field of changed) field.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }

  // A ticked box that the form doesn't show yet is put into it, for the script that gives such boxes their place.
  function bringBoxes(form, values) {
    const name = form.querySelector("[data-boxes-come]")?.dataset.boxesCome;
    const there = new Set([...form.elements].filter(isBox).map(keyOf));
    for (const key of Object.keys(values)) {
      if (!name || !key.startsWith(`${name}=`) || !values[key] || there.has(key)) continue;
      const box = document.createElement("input");
      Object.assign(box, { type: "checkbox", name, value: key.slice(name.length + 1), hidden: true });
      box.dataset.cameBack = "";
      form.append(box);
    }
  }

  function put(field, value) {
    if (field.options && ![...field.options].some((option) => option.value === value)) return false;
    if (isBox(field)) field.checked = value;
    else field.value = value;
    const fold = !isBox(field) && field.closest("details");
    if (fold) fold.open = true;
    return !isBox(field);
  }

  const typed = history.state?.typed;
  if (typed?.user === user && Date.now() - typed.at < KEPT) giveBack(typed);
  else if (typed) history.replaceState({ ...history.state, typed: null }, "");
  let soon = 0;
  document.addEventListener("DOMContentLoaded", () => { last = JSON.stringify(now()); });
  document.addEventListener("change", keep);
  document.addEventListener("input", () => {
    clearTimeout(soon);
    soon = setTimeout(keep, 500);
  });
  addEventListener("beforeunload", keep);
})();
