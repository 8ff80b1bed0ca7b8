// Single keys: search, lists, other pages. They do nothing while something is typed, with Ctrl, Alt or ⌘, or while a
// dialog or a secret is shown. Preferences switch them off: then this file is not loaded.
(() => {
  "use strict";
  const WAIT = 1500; // ms between g and its letter
  const FIELDS = "input:not([type=checkbox], [type=radio], [type=submit]), select, textarea, [contenteditable]";
  const SEARCH = "#list-search, #searchbar, main input[type=search], main [role=search] input:not([type=hidden])";
  const ROWS = "[data-row], main table.rows tbody tr, #result_list tbody tr";
  const LINK = "a[href]";
  let went = 0; // when g was pressed

  const isBusy = ({ target, ctrlKey, metaKey, altKey, isComposing }) => (
    ctrlKey || metaKey || altKey || isComposing || target.closest?.(FIELDS)
    || document.querySelector("dialog[open], [data-shown-once] [data-secret]")
  );

  function search() {
    const field = document.querySelector(SEARCH);
    const fold = field?.closest("details");
    if (fold) fold.open = true;
    field?.focus();
    field?.select();
    return Boolean(field);
  }

  // A row is where its first link has the focus, so that Enter opens it.
  function step(by) {
    const rows = [...document.querySelectorAll(ROWS)].filter((row) => row.querySelector(LINK));
    const here = rows.findIndex((row) => row.contains(document.activeElement));
    const first = by > 0 ? 0 : rows.length - 1;
    const next = rows[here < 0 ? first : here + by]?.querySelector(LINK);
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
    return Boolean(next);
  }

  function go(letter) {
    const link = document.querySelector(`[data-go="${CSS.escape(letter)}"]`);
    if (link) location.assign(link.href);
    return Boolean(link);
  }

  // The list of keys

  function line(keys, text) {
    const term = document.createElement("dt");
    for (const key of keys) {
      const box = document.createElement("kbd");
      box.textContent = key;
      term.append(box, " ");
    }
    const words = document.createElement("dd");
    words.textContent = text;
    return [term, words];
  }

  function list() {
    const dialog = document.getElementById("keys-template").content.cloneNode(true).firstElementChild;
    const places = [...document.querySelectorAll("[data-go]")].map((link) => [link.dataset.go, link.dataset.place]);
    dialog.querySelector("dl").append(...places.flatMap(([letter, place]) => line(["g", letter], place)));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    return true;
  }

  const DOES = { "/": search, "?": list, j: () => step(1), k: () => step(-1) };

  document.addEventListener("keydown", (event) => {
    const { key, repeat } = event;
    if (isBusy(event)) return;
    const follows = Date.now() - went < WAIT;
    went = key === "g" && !follows && !repeat ? Date.now() : 0;
    if (follows ? go(key) : DOES[key]?.()) event.preventDefault();
  });
  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-show-keys]")) list();
  });
})();
