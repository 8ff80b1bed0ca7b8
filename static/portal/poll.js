// A page that waits looks again by itself: while someone can see it, and without touching what they are at.
// The element with `data-poll` asks for its own page; what it replaces, besides itself, is in its `hx-select-oob`.
(() => {
  "use strict";
  const FIELDS = "input:not([type=hidden]), textarea, select";
  let stopped = false; // the session ended, or the page is not this user's any more

  const element = () => document.querySelector("[data-poll]");
  const isPoll = (detail) => Boolean(detail.elt?.hasAttribute?.("data-poll"));
  const regionsOf = (poll) => [
    poll.id,
    ...(poll.getAttribute("hx-select-oob") || "").split(",").map((id) => id.trim().replace(/^#/, "")).filter(Boolean),
  ];
  // A secret may be on its way, or a dialog is open: nothing is replaced under it
  const isBusy = () => Boolean(document.querySelector("form.htmx-request, [data-busy-since], dialog[open]"));

  function note(shown) {
    const found = document.querySelector("[data-poll-note]");
    if (found) found.hidden = !shown;
  }

  // What a region says, without times, which only grow older
  function wordsOf(root, id) {
    const copy = root.getElementById(id)?.cloneNode(true);
    copy?.querySelectorAll("time, [data-poll-note]").forEach((one) => one.remove());
    return copy ? copy.textContent.replace(/\s+/g, " ").trim() : "";
  }

  const isChanged = (field) => (field.tagName === "SELECT"
    ? [...field.options].some((option) => option.selected !== option.defaultSelected
      && [...field.options].some((one) => one.defaultSelected))
    : "defaultValue" in field && (field.value !== field.defaultValue || field.checked !== field.defaultChecked));

  // Whether someone is typing, has typed, or stands on something here that could not be found again
  function isInUse(id) {
    const region = document.getElementById(id);
    const focused = document.activeElement;
    if (!region) return false;
    const within = region.contains(focused) && focused !== region;
    return (within && (focused.matches(FIELDS) || !focused.id)) || [...region.querySelectorAll(FIELDS)].some(isChanged);
  }

  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (isPoll(detail)) detail.headers["X-Portal-Background"] = "1"; // no use of the session
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isPoll(event.detail) && (stopped || document.hidden || isBusy())) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) element()?.dispatchEvent(new CustomEvent("portal:look"));
  });

  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const poll = detail.target;
    if (!detail.requestConfig || !isPoll(detail.requestConfig)) return;
    const answer = new DOMParser().parseFromString(detail.xhr.responseText, "text/html");
    const isSame = Boolean(answer.getElementById(poll.id));
    stopped = !isSame && detail.xhr.status < 500;
    note(!isSame);
    const changed = regionsOf(poll).filter((id) => wordsOf(answer, id) !== wordsOf(document, id));
    detail.shouldSwap = isSame && !isBusy() && !isInUse(poll.id)
      && (answer.title !== document.title || changed.some((id) => !isInUse(id)));
  });
  document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
    if (element() && isInUse(detail.target.id)) detail.shouldSwap = false;
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, ({ detail }) => {
      if (isPoll(detail)) note(true);
    });
  }
})();
