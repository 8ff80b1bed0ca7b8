// Dialogs, and what to say when no usable answer comes. Every page works without this file.
(() => {
  "use strict";
  const slot = document.getElementById("dialog-slot");
  let waiting = 0; // issue requests in flight
  let leaving = false; // the person chose to leave, so do not ask again

  // A dialog or a part of the page with a key's secret or a feed's token, which no other answer shows
  const shownOnce = () => document.querySelector("[data-shown-once]");
  const secretIsShown = () => Boolean(shownOnce()?.querySelector("[data-secret]") && shownOnce().open !== false);

  // Dialogs

  // What is behind a dialog is inert; tools that read a page's names by themselves are told so as well.
  function closeOff(isBehind) {
    for (const part of document.querySelectorAll("body > header, body > main, body > footer")) {
      part.inert = isBehind;
      part.ariaHidden = isBehind ? "true" : null;
    }
  }

  function show(dialog) {
    dialog.addEventListener("close", () => closed(dialog));
    dialog.addEventListener("cancel", (event) => {
      if ("shownOnce" in dialog.dataset) {
        event.preventDefault();
        warn(dialog);
      }
    });
    dialog.showModal();
    closeOff(true);
    dialog.querySelector("[tabindex='-1']")?.focus();
  }

  function closed(dialog) {
    const after = dialog.dataset.after;
    const reload = dialog.hasAttribute("data-reload");
    slot.replaceChildren();
    closeOff(false);
    leaving = true;
    if (after) location.assign(after);
    else if (reload) location.reload();
    else leaving = false;
  }

  function warn(dialog) {
    const warning = dialog.querySelector("[data-close-warning]");
    warning.hidden = false;
    dialog.querySelector("form.confirm button").focus();
    warning.scrollIntoView({ block: "nearest" });
  }

  function fail(title, text, signIn) {
    if (secretIsShown()) return;
    const dialog = document.getElementById("failure-template").content.cloneNode(true).firstElementChild;
    dialog.querySelector("h2").textContent = title;
    dialog.querySelector("p").textContent = text;
    if (signIn) {
      dialog.querySelector("[data-reload-page]").hidden = true;
      dialog.querySelector("a").hidden = false;
      dialog.removeAttribute("data-reload");
    }
    slot.replaceChildren(dialog);
    show(dialog);
  }

  const ENDED = ["Your session has ended", "Nothing was sent. Sign in again to continue.", true];
  const STALE = ["This page is out of date", "Nothing was sent. Reload this page and try again."];
  const LOOK = "Reload this page to see what happened; nothing is sent twice.";

  document.addEventListener("keydown", (event) => {
    // The browser lets a second Escape through a dialog's cancel event; here it never loses the secret.
    if (event.key === "Escape" && secretIsShown() && shownOnce().matches(":modal")) {
      event.preventDefault();
      warn(shownOnce());
    }
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const dialog = button.closest("dialog");
    if (button.hasAttribute("data-ask-close")) warn(dialog);
    else if (button.hasAttribute("data-reload-page")) {
      leaving = true;
      location.reload();
    } else if (button.hasAttribute("data-close") || button.hasAttribute("data-close-anyway")) {
      leaving = true;
      dialog.close();
    }
  });

  document.addEventListener("submit", (event) => {
    if (event.target.closest("[data-shown-once]")) leaving = true;
  });

  // Nothing of a shown secret outlives the page

  addEventListener("pagehide", () => {
    shownOnce()?.replaceChildren();
    slot?.replaceChildren();
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    const after = shownOnce()?.dataset.after;
    if (after) location.replace(after);
    else location.reload();
  });
  addEventListener("beforeunload", (event) => {
    if (!leaving && (waiting > 0 || secretIsShown())) event.preventDefault();
  });

  // Answers to htmx

  const isPoll = (detail) => Boolean(detail.elt?.hasAttribute?.("data-poll")); // see poll.js

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.hasAttribute("data-issue")) waiting += 1;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.target.hasAttribute("data-issue")) waiting -= 1;
  });

  document.addEventListener("htmx:beforeOnLoad", ({ detail }) => {
    if (detail.xhr.getResponseHeader("HX-Redirect")) leaving = true; // to sign in again, with nothing done
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.target === slot && detail.xhr.status !== 204) swapIfFits(detail, /^\s*<dialog\b/);
    else if (detail.target.hasAttribute("data-row")) swapIfFits(detail, /^\s*<li\b/);
  });

  function swapIfFits(detail, begins) {
    const { xhr } = detail;
    if (begins.test(xhr.responseText)) return;
    detail.shouldSwap = false;
    if (new URL(xhr.responseURL, location.href).pathname.startsWith("/accounts/")) fail(...ENDED);
    else if (xhr.responseText.includes('data-page="csrf"')) fail(...STALE);
    else fail(`The portal’s answer cannot be shown (status ${xhr.status})`, LOOK);
  }

  document.addEventListener("htmx:afterSwap", (event) => {
    const dialog = event.detail.target === slot && slot.querySelector("dialog");
    if (dialog) show(dialog);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      if (leaving || isPoll(event.detail)) return;
      fail("The portal did not answer", `No answer came. ${LOOK}`);
    });
  }

  document.getElementById("error-summary")?.focus();
})();
