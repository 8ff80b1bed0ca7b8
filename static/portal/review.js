// After a decision on one key of an access review: on to the next key that has a button, as its row says how it went.
(() => {
  "use strict";
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    const row = document.getElementById(detail.target.id);
    if (!row?.matches(".review-keys > li")) return;
    const next = "decided" in row.dataset ? nextOf(row) : row;
    (next?.querySelector("[aria-invalid], button") || row.querySelector("a")).focus();
  });

  function nextOf(row) {
    let next = row.nextElementSibling;
    while (next && !(next.querySelector("button") && !("decided" in next.dataset))) next = next.nextElementSibling;
    return next;
  }
})();
