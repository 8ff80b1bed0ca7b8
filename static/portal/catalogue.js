// The rest of the list of permissions. It comes when a product is opened or something is looked for, in one answer that
// is the same for everyone and that the browser keeps. Until it is here, and where it doesn't come, what is chosen has
// a row of its own.
(() => {
  "use strict";
  const section = document.getElementById("permissions");
  if (!section) return;
  const byId = (id) => document.getElementById(id);
  const notice = byId("catalogue-failed");
  const home = document.createComment("");
  notice.before(home);
  const OWN = ".resource:not([data-chosen-row])";
  const listeners = { came: [], failed: [] };
  let isWhole = "whole" in section.dataset;
  let coming = null;
  let place = home; // where one reads that it didn't come: in the product that was opened, or above the list

  function load(opened = null) {
    place = opened?.querySelector(".rest") || home;
    if (!isWhole) coming ||= ask();
  }

  async function ask() {
    let drawn = null;
    section.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(section.dataset.catalogue);
      const text = answer.ok ? await answer.text() : "";
      drawn = new DOMParser().parseFromString(text, "text/html").querySelector("[data-part=catalogue]");
    } catch (error) {
      if (error.name !== "TypeError") throw error; // no network
    }
    section.removeAttribute("aria-busy");
    coming = null;
    isWhole = Boolean(drawn); // a sign-in page, or one that says what went wrong, is no list
    if (drawn) fill(drawn);
    section.classList.toggle("incomplete", !isWhole);
    (isWhole ? home : place).after(notice);
    notice.hidden = isWhole;
    for (const listener of listeners[isWhole ? "came" : "failed"]) listener();
  }

  function fill(drawn) {
    let last = notice;
    for (const product of drawn.querySelectorAll(".product")) {
      const shown = byId(product.id);
      if (shown) fillProduct(shown, product);
      else last.after(product);
      last = shown || product;
    }
    for (const row of section.querySelectorAll("[data-chosen-row]")) replaceRow(row);
    for (const rest of section.querySelectorAll(".rest")) if (!rest.contains(notice)) rest.remove();
    for (const answer of drawn.querySelectorAll("[data-words]:not(.resource)")) {
      answer.hidden = true;
      byId("picker-not-here").append(answer);
    }
  }

  // Rows that are there already stay as they are, with what has the focus and what they were drawn with.
  function fillProduct(shown, whole) {
    const there = new Map([...shown.querySelectorAll(OWN)].map((row) => [nameOf(row), row]));
    let last = shown.querySelector("summary");
    for (const row of whole.querySelectorAll(".resource")) {
      const own = there.get(nameOf(row));
      if (!own) last.after(row);
      last = own || row;
    }
  }

  const nameOf = (row) => row.getAttribute("aria-label");

  function replaceRow(row) {
    const box = row.querySelector("input");
    const own = [...section.querySelectorAll(`${OWN} input`)].find((one) => one.value === box.value);
    if (!own) return;
    own.checked = box.checked;
    if (document.activeElement === box) own.focus();
    row.remove();
  }

  const element = (name, className, ...inside) => {
    const made = document.createElement(name);
    made.className = className;
    made.append(...inside);
    return made;
  };

  // Returns the row of a permission that is chosen before the list is here.
  function addRow(permission) {
    const [, , product, resource = permission, action = permission] = permission.split("/");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", name: "permissions" });
    box.value = permission;
    const name = element("code", "", resource);
    name.translate = false;
    const label = element("label", "choice", box, " ", element("span", "", action === "*" ? "All five" : action));
    const row = element("div", "resource", element("div", "resource-name", name), element("div", "choices", label));
    row.dataset.chosenRow = row.dataset.words = "";
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", resource);
    const shown = byId(`product-${product}`);
    if (shown) shown.querySelector("summary").after(row);
    else home.before(row);
    return row;
  }

  notice.addEventListener("click", ({ target }) => {
    if ("again" in target.dataset) load(notice.closest(".product"));
    if (!("wholePage" in target.dataset)) return;
    target.type = "submit"; // only now: it must not be what Enter in a field presses
    target.form.requestSubmit(target);
    target.type = "button";
  });
  section.addEventListener("toggle", ({ target }) => {
    if (target.open && target.querySelector(".rest")) load(target);
  }, true);

  window.permissionCatalogue = {
    load,
    addRow,
    isWhole: () => isWhole,
    onCome: (listener) => listeners.came.push(listener),
    onFailure: (listener) => listeners.failed.push(listener),
  };
})();
