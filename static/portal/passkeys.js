// Says on the page what the library's scripts write to the console alone.
(() => {
  "use strict";
  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    for (const note of document.querySelectorAll("[data-passkey-failed]")) note.hidden = false;
  });
})();
