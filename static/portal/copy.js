// Copying, and the cover of a secret: screens are shared. Every page works without this file, and covers nothing then.
(() => {
  "use strict";
  document.documentElement.classList.add("js");

  // A secret is covered by its colour alone: its text stays what it is, to copy and to read aloud.
  function cover(secret, isCovered) {
    secret.toggleAttribute("data-covered", isCovered);
    document.querySelector(`[data-reveal="#${secret.id}"]`).textContent = isCovered ? "Reveal" : "Cover";
  }

  // Copying: the text is read from the page at the click and kept nowhere

  // What a new key is pasted as, made of what the dialog shows. Most shells keep no line that begins with a space.
  const quoted = (value) => `'${value.replaceAll("'", "'\\''")}'`;
  const AS = {
    env: ({ account, sid, secret }) => (
      `# Restricted key: account ${account} and region US1 only. It can't sign Access Tokens.\n`
      + `TWILIO_ACCOUNT_SID=${account}\nTWILIO_API_KEY=${sid}\nTWILIO_API_SECRET=${secret}\n`
    ),
    curl: ({ sid, secret, url }) => ` curl -u ${quoted(`${sid}:${secret}`)} ${quoted(url)}`,
    mcp: ({ account, sid, secret, services }) => {
      const args = ["-y", "@twilio-alpha/mcp", `${account}/${sid}:${secret}`];
      if (services) args.push("--services", services);
      return JSON.stringify({ mcpServers: { twilio: { command: "npx", args } } }, null, 2);
    },
  };
  const filledIn = (kind) => AS[kind]({
    ...document.getElementById("key-snippets").dataset,
    sid: document.getElementById("key-sid").textContent,
    secret: document.getElementById("key-secret").textContent,
  });

  // A button holds what it copies, names where that stands, or says as what it is filled in.
  function whatOf({ dataset }) {
    if (dataset.copyText) return { text: dataset.copyText };
    if (dataset.copyAs) return { text: filledIn(dataset.copyAs), secret: document.getElementById("key-secret") };
    const source = document.querySelector(dataset.copy);
    return { text: source.textContent, source, secret: source.matches("[data-secret]") && source };
  }

  function notCopied(button, source, error, status) {
    const place = source || button.previousElementSibling;
    const selects = source || button.dataset.copyText;
    if (selects) getSelection().selectAllChildren(place);
    const text = selects
      ? "The browser refused to copy. The text is selected: press Ctrl+C or ⌘C."
      : "The browser refused to copy. Copy SID and secret by hand.";
    if (error) {
      error.textContent = text;
      error.hidden = false;
    }
    if (status) status.textContent = text;
  }

  function sayCopied(button, status) {
    if (status) status.textContent = button.dataset.said;
    const label = button.dataset.label || button.textContent;
    button.dataset.label = label;
    if (label) button.textContent = "Copied";
    button.classList.add("copied");
    setTimeout(() => {
      button.textContent = label;
      button.classList.remove("copied");
      if (status) status.textContent = "";
    }, 4000);
  }

  async function copy(button) {
    const scope = button.closest("dialog, [data-shown-once]") || document;
    const error = scope.querySelector("[data-copy-error]");
    const status = scope.querySelector("[data-copy-status]");
    const { text, source, secret } = whatOf(button);
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (secret) cover(secret, false);
      notCopied(button, source, error, status);
      return;
    }
    if (error) error.hidden = true;
    if (secret) cover(secret, false);
    sayCopied(button, status);
  }

  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button[data-copy], button[data-copy-as], button[data-copy-text]");
    const toggle = target.closest("button[data-reveal]");
    if (button) copy(button);
    if (toggle) {
      const secret = document.querySelector(toggle.dataset.reveal);
      cover(secret, !secret.hasAttribute("data-covered"));
    }
  });
})();
