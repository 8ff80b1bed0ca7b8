// Closes a menu with Escape, a click outside, or when the focus leaves it. It opens and closes without this file.
(() => {
  "use strict";
  const open = () => document.querySelector("details[data-menu][open]");

  document.addEventListener("keydown", (event) => {
    const menu = open();
    if (event.key !== "Escape" || !menu) return;
    if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
    menu.open = false;
  });
  for (const name of ["click", "focusin"]) {
    document.addEventListener(name, (event) => {
      const menu = open();
      if (menu && !menu.contains(event.target)) menu.open = false;
    });
  }
})();
