// The permissions on the page: ticks, levels, counts, undo and search. The ticks are the policy; the rest follows.
// The server checks everything again and the form works without this file. catalogue.js gets what isn't here yet.
(() => {
  "use strict";
  const section = document.getElementById("permissions");
  const form = document.getElementById("request-form");
  const catalogue = window.permissionCatalogue;
  if (!form || !catalogue) return;
  const byId = (id) => document.getElementById(id);
  const max = Number(section.dataset.max);
  const RISKS = ["low", "medium", "high", "critical"];
  const ACTIONS = ["list", "read", "create", "update", "delete"];
  const LEVELS = { none: [], read: ["list", "read"], write: ["list", "read", "create", "update"], all: ACTIONS };
  const UNDO_STEPS = 200;

  // What is on the page, read at the start and again when the whole list is here

  // Only the list's own boxes belong to the form: what a summary or a paste suggests is added to it, not sent.
  function disarm(place) {
    for (const box of place.querySelectorAll("[data-suggest]")) box.removeAttribute("name");
  }
  let boxes; // a map from each permission to its checkboxes
  let products;
  let rows;
  let rowByElement;
  let wildcards;
  const isWildcard = (name) => name.endsWith("/*");
  const actionOf = (name) => name.slice(name.lastIndexOf("/") + 1);
  const fiveOf = (name) => ACTIONS.map((action) => name.slice(0, -1) + action);
  // Until the whole list is here, what has the form of a permission is taken for one: the server looks at each again.
  const SHAPE = /^\/twilio\/[a-z\d-]+\/[a-z\d.-]+\/(list|read|create|update|delete|\*)$/;
  const exists = (name) => boxes.has(name) || (!catalogue.isWhole() && SHAPE.test(name));
  const known = (name) => boxes.get(name)?.some((box) => !("unknown" in box.dataset)) ?? exists(name);
  const expand = (name) => (isWildcard(name) && known(name) ? fiveOf(name) : [name]);
  const isOn = (name) => Boolean(boxes.get(name)?.some((box) => box.checked));
  const set = (name, on) => boxes.get(name)?.forEach((box) => { if (box.checked !== on) box.checked = on; });
  const riskOf = (name) => boxes.get(name)?.find((box) => box.dataset.risk)?.dataset.risk || "";
  const short = (name) => name.replace(/^\/twilio\//, "");

  function readPage() {
    boxes = boxesByPermission();
    wildcards = [...boxes.keys()].filter((name) => isWildcard(name) && known(name));
    products = [...section.querySelectorAll("details.product")].map((element) => {
      const product = { element, opened: element.open, heading: element.querySelector("h3") };
      product.counter = element.querySelector("[data-selected]");
      product.badge = product.counter.parentElement;
      product.rows = [...element.querySelectorAll(".resource")].map((row) => rowOf(row, product));
      return product;
    });
    rows = products.flatMap((product) => product.rows);
    rowByElement = new Map(rows.map((entry) => [entry.row, entry]));
  }

  // A suggestion may repeat a permission.
  function boxesByPermission() {
    const found = new Map();
    for (const box of section.querySelectorAll("input[name=permissions]")) {
      if (!found.has(box.value)) found.set(box.value, []);
      found.get(box.value).push(box);
    }
    return found;
  }

  function rowOf(row, product) {
    const inputs = [...row.querySelectorAll("input")];
    const names = inputs.map((box) => box.value).filter((name) => !isWildcard(name));
    const select = row.querySelector("select");
    const levels = [...(select?.options || [])].filter((option) => option.value in LEVELS).map((option) => ({
      level: option.value,
      names: new Set(option.value === "all" ? names : names.filter((n) => LEVELS[option.value].includes(actionOf(n)))),
    }));
    const said = `${row.dataset.words}\n${row.firstElementChild.textContent}\n${product.heading.textContent}`;
    const text = `${said}\n${inputs.map((box) => box.value).join("\n")}`.toLowerCase();
    return { row, product, inputs, names, select, levels, text };
  }

  // The policy, and what changes it

  const listeners = [];
  const past = []; // what was chosen before each change, and what the change was
  let current = [];

  function chosen() {
    const names = new Set();
    for (const name of boxes.keys()) if (isOn(name)) expand(name).forEach((explicit) => names.add(explicit));
    return [...names].sort();
  }

  // Takes over the ticks as they are now. `joined` makes one step of it and the change before.
  function commit(what, origin, joined = false) {
    const before = current;
    settle();
    if (before.join() === current.join()) return false;
    if (!joined) past.push({ names: before, what });
    if (past.length > UNDO_STEPS) past.shift();
    tell(origin);
    return true;
  }

  function settle() {
    for (const name of wildcards) set(name, fiveOf(name).every(isOn));
    current = chosen();
    refresh();
  }

  function tell(origin) {
    const button = byId("undo");
    button.setAttribute("aria-disabled", String(!past.length));
    button.title = past.length ? `Undo: ${past.at(-1).what}` : "";
    for (const listener of listeners) listener(current, origin);
  }

  function put(names) {
    const wanted = new Set(names.flatMap(expand));
    addRows([...wanted].filter((name) => !boxes.has(name)));
    for (const name of boxes.keys()) set(name, wanted.has(name));
  }

  function addRows(names) {
    names.forEach(catalogue.addRow);
    if (!names.length) return;
    readPage();
    catalogue.load();
  }

  function replace(names, what, origin, joined) {
    put(names);
    return commit(what, origin, joined);
  }

  function undo() {
    const step = past.pop();
    if (!step) return;
    put(step.names);
    settle();
    tell("undo");
    say(`Undone: ${step.what}. ${current.length} chosen.`);
  }

  let saying = 0;
  function say(text) {
    const place = byId("builder-status");
    place.textContent = "";
    clearTimeout(saying);
    saying = setTimeout(() => { place.textContent = text; }, 60);
  }

  section.addEventListener("change", ({ target }) => {
    if (target.name === "permissions") {
      set(target.value, target.checked);
      if (isWildcard(target.value)) expand(target.value).forEach((name) => set(name, target.checked));
      commit(`${target.checked ? "added" : "removed"} ${short(target.value)}`, "list");
    } else if (target.matches(".resource > select")) {
      const entry = rowByElement.get(target.parentElement);
      const wanted = entry.levels.find((item) => item.level === target.value);
      if (wanted) entry.names.forEach((name) => set(name, wanted.names.has(name)));
      const label = target.selectedOptions[0]?.textContent;
      if (!commit(`set ${target.name.replace("level:", "")} to ${label}`, "list")) showLevel(entry);
    }
  });

  byId("undo").addEventListener("click", undo);
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    if (event.target.closest("textarea, input:not([type=checkbox], [type=radio]), dialog") || !past.length) return;
    event.preventDefault();
    undo();
  });

  // What follows the ticks

  function showLevel(entry) {
    const { select } = entry;
    if (!select) return;
    const on = entry.names.filter(isOn);
    const exact = entry.levels.find(({ names }) => names.size === on.length && on.every((name) => names.has(name)));
    const custom = [...select.options].find((option) => option.value === "custom");
    if (exact && custom) custom.remove();
    else if (!exact && !custom) select.add(new Option("Custom", "custom"));
    const level = exact ? exact.level : "custom";
    if (select.value !== level) select.value = level;
  }

  function refresh() {
    showLimit();
    showRisk();
    showCounts();
  }

  function showLimit() {
    const over = current.length - max;
    byId("picker-count").textContent = current.length;
    byId("chosen-line").querySelector("[data-count]").textContent = current.length;
    byId("picker-tally").classList.toggle("over", over > 0);
    const limit = over > 0 ? `${over} too many: Twilio allows ${max} permissions for one key.` : "";
    for (const id of ["picker-limit", "submit-limit"]) {
      const place = byId(id);
      if (place.textContent !== limit) place.textContent = limit;
      place.hidden = !limit;
    }
  }

  function showRisk() {
    const risks = current.filter(known).map((name) => RISKS.indexOf(riskOf(name)));
    const highest = risks.includes(-1) ? -1 : Math.max(-1, ...risks); // of a row that was added here it's not known yet
    const badge = byId("picker-risk");
    badge.hidden = highest < 0;
    badge.dataset.risk = RISKS[highest] || "";
    badge.textContent = highest < 0 ? "" : RISKS[highest][0].toUpperCase() + RISKS[highest].slice(1);
  }

  function showCounts() {
    const on = new Set(current);
    for (const product of products) {
      let count = 0;
      for (const entry of product.rows) {
        const here = entry.names.reduce((sum, name) => sum + on.has(name), 0);
        if (here || entry.shown || entry.shown === undefined) showLevel(entry);
        entry.shown = here;
        count += here;
      }
      product.counter.textContent = count;
      product.badge.classList.toggle("some", count > 0);
    }
  }

  // Search: what matches is shown and marked, in steps, since nobody sees the end of a long list

  const MARKED_AT_ONCE = 40;
  const search = byId("picker-search");
  const status = byId("picker-matches");
  let asked = []; // when each key was pressed that waits for the list
  let terms = [];
  let hits = [];
  let marked = []; // [element, its text]
  let unmarkedFrom = 0;

  const end = new IntersectionObserver((seen) => {
    if (seen.some((entry) => entry.isIntersecting)) markMore();
  });

  function filter() {
    const started = !terms.length;
    terms = search.value.toLowerCase().split(/\s+/).filter(Boolean).slice(0, 10);
    unmark();
    hits = [];
    for (const product of products) {
      if (started && terms.length) product.opened = product.element.open;
      const found = product.rows.filter(showIfHit);
      hits.push(...found);
      showProduct(product, found.length > 0);
    }
    if (terms.length) markMore();
    status.textContent = terms.length ? wordsForHits() : "";
    for (const answer of byId("picker-not-here").children) showIfAsked(answer);
  }

  // What a product of Twilio outside the catalogue is answered with: by a beginning of its name, as the server does.
  function showIfAsked(answer) {
    const words = (answer.dataset.words || "").split(" ");
    const isAsked = terms.some((term) => term.length > 2 && words.some((word) => word.startsWith(term)));
    if (answer.hidden === isAsked) answer.hidden = !isAsked;
  }

  function showIfHit(entry) {
    const hit = terms.every((term) => entry.text.includes(term));
    if (entry.row.hidden === hit) entry.row.hidden = !hit;
    return hit;
  }

  function showProduct({ element, opened, rows: own }, isHit) {
    if (element.hidden === isHit) element.hidden = !isHit;
    const open = terms.length ? isHit : opened || own.some((entry) => entry.shown);
    if (element.open !== open) element.open = open;
  }

  function wordsForHits() {
    const number = hits.length;
    if (number) return `${number} ${number === 1 ? "resource matches" : "resources match"}. Down to go through them.`;
    const looked = "Search looks at products, resources, their meaning and permission names.";
    return `Nothing matches “${search.value.trim()}”. ${looked}`;
  }

  function markMore() {
    end.disconnect();
    if (!terms.length) return;
    const escaped = terms.map((term) => term.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&"));
    const pattern = new RegExp(`(${escaped.join("|")})`, "gi");
    const next = hits.slice(unmarkedFrom, unmarkedFrom + MARKED_AT_ONCE);
    for (const product of new Set(next.map((entry) => entry.product))) mark(product.heading, pattern);
    for (const entry of next) markRow(entry, pattern);
    unmarkedFrom += next.length;
    if (unmarkedFrom < hits.length) end.observe(hits[unmarkedFrom - 1].row);
  }

  function markRow(entry, pattern) {
    const name = entry.row.firstElementChild;
    for (const part of [...name.children, ...entry.row.querySelectorAll(".choice > span")]) mark(part, pattern);
    const seen = `${entry.product.heading.textContent}\n${entry.row.textContent}`.toLowerCase();
    const also = terms.filter((term) => !seen.includes(term)).map((term) => (
      entry.row.dataset.words.split(/\s+/).find((word) => word.includes(term)) || term
    ));
    if (!also.length) return;
    const note = document.createElement("span");
    note.className = "also";
    note.textContent = ` also: ${also.join(", ")}`;
    name.append(note);
    mark(note, pattern);
    marked.push([note, null]);
  }

  function mark(element, pattern) {
    const text = element.textContent;
    const parts = text.split(pattern);
    if (parts.length < 2 || element.firstElementChild) return;
    marked.push([element, text]);
    element.replaceChildren(...parts.map((part, n) => {
      if (n % 2 === 0) return part;
      const found = document.createElement("mark");
      found.textContent = part;
      return found;
    }));
  }

  function unmark() {
    end.disconnect();
    for (const [element, text] of marked) {
      if (text === null) element.remove();
      else element.textContent = text;
    }
    marked = [];
    unmarkedFrom = 0;
  }

  // After all the keys of one frame: filter once, and note how long each key took until the list was there.
  function filterNow() {
    if (!catalogue.isWhole()) {
      status.textContent = search.value.trim() ? "Loading…" : "";
      if (search.value.trim()) catalogue.load();
      return;
    }
    const pressed = asked;
    asked = [];
    filter();
    requestAnimationFrame(() => {
      for (const at of pressed) performance.measure("picker-filter", { start: at, end: performance.now() });
    });
  }
  search.addEventListener("input", (event) => {
    asked.push(event.timeStamp);
    if (asked.length > 1 && catalogue.isWhole()) return; // one frame follows all of its keys
    requestAnimationFrame(() => {
      filterNow();
      showFromTop();
    });
  });

  // With the first letter the search goes to the top, and later hits don't begin above what is seen.
  function showFromTop(isFirst = !("searching" in section.dataset)) {
    section.toggleAttribute("data-searching", Boolean(search.value.trim()));
    const { top } = byId("picker-list").getBoundingClientRect();
    if (search.value.trim() && (isFirst || top < 0)) scrollBy({ top, behavior: "instant" });
  }

  function clearSearch() {
    search.value = "";
    filterNow();
    showFromTop();
    search.focus();
  }

  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
    if (event.key === "Escape" && search.value) {
      event.preventDefault();
      clearSearch();
    }
    if (event.key === "ArrowDown" && terms.length && focusRow(0, 1)) event.preventDefault();
  });

  // Focuses the hit at `place`, or the next one that can be seen: at the action that was searched for, or `column`.
  function focusRow(place, step, column = 0) {
    let at = place;
    while (hits[at] && !hits[at].product.element.open) at += step;
    const entry = hits[at];
    if (!entry) return false;
    const named = step > 0 && place === 0 && entry.inputs.find((box) => terms.includes(actionOf(box.value)));
    (named || entry.inputs[Math.min(column, entry.inputs.length - 1)]).focus();
    return true;
  }

  const MOVES = {
    ArrowDown: (place, column) => focusRow(place + 1, 1, column),
    ArrowUp: (place, column) => focusRow(place - 1, -1, column) || search.focus(),
    ArrowLeft: (place, column, { inputs }) => inputs[column - 1]?.focus(),
    ArrowRight: (place, column, { inputs }) => inputs[column + 1]?.focus(),
  };

  section.addEventListener("keydown", (event) => {
    const entry = rowByElement.get(event.target.closest(".resource"));
    if (!entry) return;
    if (event.key === "Escape" && terms.length) clearSearch();
    else if (event.target.type === "checkbox") pressInRow(event, entry);
  });

  function pressInRow(event, entry) {
    if (event.key === "Enter") {
      event.preventDefault(); // it would send the form
      event.target.click();
    }
    if (!terms.length || event.ctrlKey || event.metaKey || event.altKey || !(event.key in MOVES)) return;
    MOVES[event.key](hits.indexOf(entry), entry.inputs.indexOf(event.target), entry);
    event.preventDefault();
  }

  // What is known of the permission under the pointer or the focus, also for those without a pointer
  for (const name of ["focusin", "pointerover"]) {
    section.addEventListener(name, (event) => {
      const box = event.target.closest(".resource .choice")?.querySelector("input");
      const text = box ? `${short(box.value)}: ${box.title}` : "";
      if (byId("picker-about").textContent !== text) byId("picker-about").textContent = text;
    });
  }

  // Buttons that only show the form again have nothing to do here, and must not be what Enter presses.
  for (const button of form.querySelectorAll("button[formnovalidate]")) button.type = "button";
  search.removeAttribute("name");

  window.policyPicker = {
    chosen: () => current, exists, known, expand, riskOf, short, max, replace, say, disarm,
    names: () => [...boxes.keys()],
    isWhole: catalogue.isWhole, load: catalogue.load, onCome: catalogue.onCome, onFailure: catalogue.onFailure,
    onChange: (listener) => listeners.push(listener),
    add: (names, what) => replace([...current, ...names.filter(known)], what, "add"),
  };

  // Also after Back or reload, when earlier ticks were put back
  function start() {
    for (const name of wildcards) if (isOn(name)) fiveOf(name).forEach((five) => set(five, true));
    settle();
    for (const entry of rows) showLevel(entry);
    if (search.value) filterNow();
    tell("start");
  }
  // What typed.js brought back goes to its place in the list.
  function putBack(late) {
    for (const box of late) box.remove();
    if (late.length) put([...chosen(), ...late.map((box) => box.value)]);
  }
  addEventListener("pageshow", () => {
    if (chosen().join() !== current.join()) start();
  });
  catalogue.onCome(() => {
    const before = current;
    readPage();
    put(before);
    settle();
    for (const entry of rows) showLevel(entry);
    tell("whole");
    const isTyped = asked.length > 0;
    if (search.value || isTyped) filterNow();
    if (isTyped) showFromTop(true);
  });
  catalogue.onFailure(() => {
    asked = [];
    status.textContent = "";
  });

  disarm(form);
  readPage();
  putBack([...form.querySelectorAll("input[data-came-back]")]);
  start();
  if (section.querySelector(".product[open] .rest")) catalogue.load();
})();
