// While an answer takes its time, the time passes in sight, and nothing is offered that can't be done meanwhile.
// A form with `data-busy` says what is going on, as “Asking Twilio”. It works without this file.
(() => {
  "use strict";
  const PATIENCE = 65000; // longer than any answer takes; then the buttons work again
  const running = new Map();

  function begin(form, submitter) {
    if (running.has(form)) return;
    const since = Date.now();
    const status = document.createElement("span");
    const seconds = document.createElement("span");
    status.setAttribute("role", "status");
    status.className = "busy";
    seconds.setAttribute("aria-hidden", "true"); // read once, not every second
    const button = submitter || form.querySelector("button[type=submit]");
    (button?.closest("p") || form).append(status);
    const off = [...document.querySelectorAll("main button:not(:disabled), #content button:not(:disabled)")];
    off.forEach((one) => { one.disabled = true; });
    form.setAttribute("data-busy-since", String(since));
    const tick = () => {
      seconds.textContent = ` ${Math.round((Date.now() - since) / 1000)} s`;
      if (Date.now() - since > PATIENCE) end(form);
    };
    status.append(`${form.dataset.busy}…`, seconds);
    running.set(form, { status, off, timer: setInterval(tick, 1000) });
  }

  function end(form) {
    const run = running.get(form);
    if (!run) return;
    running.delete(form);
    clearInterval(run.timer);
    run.status.remove();
    run.off.forEach((one) => { one.disabled = false; });
    form.removeAttribute("data-busy-since");
  }

  // After the form's data is put together: a button that is off is not sent
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.hasAttribute("data-busy") || form.hasAttribute("hx-post")) return;
    setTimeout(() => { if (!event.defaultPrevented) begin(form, event.submitter); });
  });
  document.addEventListener("htmx:beforeRequest", ({ target }) => {
    if (target.matches?.("form[data-busy]")) begin(target);
  });
  document.addEventListener("htmx:afterRequest", ({ target }) => {
    if (target.matches?.("form[data-busy]")) end(target);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) [...running.keys()].forEach(end);
  });
})();
