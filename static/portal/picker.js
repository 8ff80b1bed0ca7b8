// The request form: search, count, wildcards, the list of chosen permissions and the exact policy.
// The server checks everything again and the form works without this file.
(() => {
  "use strict";
  const section = document.getElementById("permissions");
  const form = document.getElementById("request-form");
  if (!section || !form) return;
  const byId = (id) => document.getElementById(id);
  const max = Number(section.dataset.max);
  const RISKS = ["low", "medium", "high", "critical"];

  // What is on the page, read once

  const boxes = new Map(); // permission → its checkboxes (a suggestion may repeat one)
  for (const box of section.querySelectorAll("input[name=permissions]")) {
    if (!boxes.has(box.value)) boxes.set(box.value, []);
    boxes.get(box.value).push(box);
  }
  const ACTIONS = ["list", "read", "create", "update", "delete"];
  const isWildcard = (name) => name.endsWith("/*");
  const fiveOf = (name) => ACTIONS.map((action) => name.slice(0, name.lastIndexOf("/") + 1) + action);
  const known = (name) => boxes.get(name)?.some((box) => !("unknown" in box.dataset));
  const isOn = (name) => Boolean(boxes.get(name)?.some((box) => box.checked));
  const set = (name, on) => boxes.get(name)?.forEach((box) => { box.checked = on; });
  const wildcards = [...boxes.keys()].filter((name) => isWildcard(name) && known(name));
  const riskOf = (name) => boxes.get(name)?.find((box) => box.dataset.risk)?.dataset.risk || "low";

  const products = [...section.querySelectorAll("details.product")].map((element) => ({
    element,
    opened: element.open,
    counter: element.querySelector("[data-selected]"),
    badge: element.querySelector(".product-count"),
    names: [...new Set([...element.querySelectorAll("input")].map((box) => box.value))].filter((n) => !isWildcard(n)),
    rows: [...element.querySelectorAll(".resource")].map((row) => ({
      row,
      text: [
        element.dataset.title, element.dataset.product, row.querySelector(".resource-name").textContent,
        ...[...row.querySelectorAll("input")].map((box) => box.value),
      ].join("\n").toLowerCase(),
    })),
  }));

  // Choosing

  function chosen() {
    const names = new Set();
    for (const name of boxes.keys()) {
      if (!isOn(name)) continue;
      if (isWildcard(name) && known(name)) fiveOf(name).forEach((five) => names.add(five));
      else names.add(name);
    }
    return [...names].sort();
  }

  function changed(box) {
    const name = box.value;
    set(name, box.checked);
    if (isWildcard(name) && known(name)) fiveOf(name).forEach((five) => set(five, box.checked));
    agree();
    refresh();
  }

  // "All five" is ticked exactly when its five are
  function agree() {
    for (const name of wildcards) set(name, fiveOf(name).every(isOn));
  }

  function refresh() {
    const names = chosen();
    const real = names.filter((name) => !boxes.has(name) || known(name));
    const over = real.length - max;
    byId("picker-count").textContent = real.length;
    byId("picker-tally").classList.toggle("over", over > 0);
    byId("chosen-count").textContent = `${real.length}/${max}`;
    const limit = over > 0 ? `${over} too many: Twilio allows ${max} permissions for one key.` : "";
    for (const id of ["picker-limit", "submit-limit"]) {
      const place = byId(id);
      if (place.textContent !== limit) place.textContent = limit;
      place.hidden = !limit;
    }
    const highest = Math.max(-1, ...real.map((name) => RISKS.indexOf(riskOf(name))));
    const badge = byId("picker-risk");
    badge.hidden = highest < 0;
    if (highest >= 0) {
      badge.dataset.risk = RISKS[highest];
      badge.textContent = RISKS[highest][0].toUpperCase() + RISKS[highest].slice(1);
    }
    const on = new Set(real);
    for (const product of products) {
      const count = product.names.filter((name) => on.has(name)).length;
      product.counter.textContent = count;
      product.badge.classList.toggle("some", count > 0);
    }
    byId("policy-json").textContent = JSON.stringify({ allow: real }, null, 2);
    byId("policy-preview").hidden = !real.length;
    byId("chosen-none").hidden = names.length > 0;
    list(names);
  }

  // The list of chosen permissions

  function list(names) {
    const place = byId("chosen-list");
    place.hidden = !names.length;
    place.replaceChildren(...names.map((name) => {
      const item = document.createElement("li");
      const text = document.createElement("div");
      const code = document.createElement("code");
      code.textContent = name.replace(/^\/twilio\//, "");
      code.title = name;
      code.translate = false;
      text.append(code);
      const missing = boxes.has(name) && !known(name);
      const risk = riskOf(name);
      const why = missing ? "not in the catalogue" : boxes.get(name)?.find((box) => box.dataset.reason)?.dataset.reason;
      code.classList.toggle("missing", missing);
      if (why) {
        const note = document.createElement("div");
        note.className = "why small";
        note.textContent = missing ? why : `${risk}: ${why}`;
        text.append(note);
      }
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "×";
      button.dataset.remove = name;
      button.setAttribute("aria-label", `Remove ${name}`);
      item.append(text, button);
      return item;
    }));
  }

  byId("chosen-list").addEventListener("click", (event) => {
    const button = event.target.closest("[data-remove]");
    if (!button) return;
    const place = [...byId("chosen-list").children].indexOf(button.closest("li"));
    set(button.dataset.remove, false);
    agree();
    refresh();
    const rest = byId("chosen-list").querySelectorAll("button");
    (rest[Math.min(place, rest.length - 1)] || byId("chosen-title")).focus();
  });

  section.addEventListener("change", (event) => {
    if (event.target.name === "permissions") changed(event.target);
  });

  form.addEventListener("submit", (event) => {
    if (event.submitter?.name === "search_only") return;
    if (chosen().filter((name) => !boxes.has(name) || known(name)).length > max) {
      event.preventDefault();
      section.focus();
      section.scrollIntoView();
    }
  });

  // Search

  const search = byId("picker-search");
  const status = byId("picker-matches");
  let asked = null;
  let searching = false;

  function filter() {
    asked = null;
    const terms = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let hits = 0;
    for (const product of products) {
      let here = 0;
      for (const entry of product.rows) {
        const hit = terms.every((term) => entry.text.includes(term));
        if (entry.row.hidden === hit) entry.row.hidden = !hit;
        if (hit) here += 1;
      }
      hits += here;
      if (!searching && terms.length) product.opened = product.element.open;
      product.element.hidden = !here;
      const open = terms.length ? here > 0 : product.opened || product.names.some(isOn);
      if (product.element.open !== open) product.element.open = open;
    }
    searching = terms.length > 0;
    if (!searching) status.textContent = "";
    else if (hits) status.textContent = `${hits} ${hits === 1 ? "resource matches" : "resources match"}`;
    else status.textContent = `Nothing matches “${search.value.trim()}”. Search looks at products, resources, their meaning and permission names.`;
  }

  search.addEventListener("input", () => {
    if (asked === null) asked = requestAnimationFrame(filter);
  });
  if (!("filtered" in section.dataset)) {
    // The whole catalogue is on the page, so the server need not be asked.
    search.removeAttribute("name");
    byId("picker-search-button").remove();
    search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
      if (event.key === "Escape" && search.value) {
        search.value = "";
        filter();
      }
    });
  }

  // Small helps beside the other fields

  for (const note of form.querySelectorAll("[data-for]")) {
    const input = byId(note.dataset.for);
    const tell = () => {
      if (input.type === "number") {
        const days = Number(input.value);
        const end = new Date(Date.now() + days * 864e5);
        note.textContent = days >= 1 && days <= 3660 ? `Issued today, it would end on ${end.toISOString().slice(0, 10)}.` : "";
      } else {
        const length = [...input.value].length;
        note.textContent = `${length}/${input.dataset.max} characters`;
        note.classList.toggle("error", length > Number(input.dataset.max));
      }
    };
    input.addEventListener("input", tell);
    tell();
  }

  // Also after Back or reload, when the browser has put earlier ticks back
  function start() {
    for (const name of wildcards) if (isOn(name)) fiveOf(name).forEach((five) => set(five, true));
    agree();
    refresh();
  }
  addEventListener("pageshow", start);
  start();
})();
