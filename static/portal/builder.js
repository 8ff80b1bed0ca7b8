// What stands beside the list and follows it: tasks, JSON, the chosen ones, the difference, the summary, what was
// pasted.
(() => {
  "use strict";
  const picker = window.policyPicker;
  if (!picker) return;
  const form = document.getElementById("request-form");
  const byId = (id) => document.getElementById(id);
  const plural = (count) => `${count} permission${count === 1 ? "" : "s"}`;
  const element = (name, className, text = "") => {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.textContent = text;
    return made;
  };
  const whenTyped = (fields, listener) => {
    for (const name of fields) byId(`id_${name}`)?.addEventListener("input", listener);
  };

  // The policy as text

  const text = byId("policy-text");
  const TYPING = 1500; // ms between two edits that one Undo takes back together
  let trouble = null; // what is wrong with the text: message, start, end, fixes
  let aside = ""; // unfinished text that a change in the list pushed out
  let typed = 0;

  class Trouble extends Error {
    constructor(message, { start, end }, fixes = []) {
      super(message);
      Object.assign(this, { start, end, fixes });
    }
  }

  // eslint-disable-next-line no-control-regex -- JSON forbids control characters in a string
  const TOKEN = /[ \t\r\n]+|[{}[\],:]|"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y;

  function tokensOf(source) {
    const found = [];
    for (let start = 0; start < source.length;) {
      TOKEN.lastIndex = start;
      const token = TOKEN.exec(source)?.[0];
      if (!token) {
        const shown = source.slice(start).match(/^.[^\s,:\]}]{0,40}/su)[0];
        const open = shown[0] === '"';
        const message = open ? "is not closed by a straight double quote" : "must be in straight double quotes";
        throw new Trouble(`${shown} ${message}`, { start, end: start + shown.length });
      }
      if (token.trim()) found.push({ token, start, end: start + token.length });
      start += token.length;
    }
    found.push({ token: "the end", start: source.length, end: source.length });
    return found;
  }

  const SHAPE = 'A policy looks like {"allow": ["/twilio/product/resource/action"]}';
  const isText = ({ token }) => token[0] === '"';
  const onlyAllow = ({ token }) => `${token} is not part of a policy, only "allow" is`;

  // Returns the names, each with its place. Throws `Trouble` for anything but {"allow": ["…"]} or the list alone.
  function read(source) {
    const tokens = tokensOf(source);
    const whole = takeOpening(tokens);
    const names = [];
    while (tokens[0].token !== "]") {
      if (names.length) take(tokens, ",");
      names.push(takeName(tokens));
    }
    takeEnd(tokens, whole);
    return names;
  }

  function take(tokens, wanted, message) {
    const [next] = tokens;
    if (next.token !== wanted) throw new Trouble(message || `“${wanted}” is missing before ${next.token}`, next);
    tokens.shift();
  }

  function takeOpening(tokens) {
    const whole = tokens[0].token !== "[";
    if (whole) {
      take(tokens, "{", SHAPE);
      take(tokens, '"allow"', isText(tokens[0]) ? onlyAllow(tokens[0]) : SHAPE);
      take(tokens, ":");
    }
    take(tokens, "[", SHAPE);
    return whole;
  }

  function takeName(tokens) {
    const [next] = tokens;
    if (next.token === "]") throw new Trouble("Remove the comma before “]”", next);
    if (!isText(next)) throw new Trouble(`A permission in double quotes is missing before ${next.token}`, next);
    tokens.shift();
    return { name: JSON.parse(next.token), start: next.start, end: next.end };
  }

  function takeEnd(tokens, whole) {
    take(tokens, "]");
    const [next, after] = tokens;
    if (whole && next.token === ",") throw new Trouble(isText(after) ? onlyAllow(after) : "Remove this comma", next);
    if (whole) take(tokens, "}");
    take(tokens, "the end", `${tokens[0].token} stands after the end of the policy`);
  }

  function check(names) {
    const wrong = names.filter(({ name }) => !picker.exists(name));
    if (!wrong.length) return names.map(({ name }) => name);
    const { name } = wrong[0];
    const shown = name.length > 80 ? `${name.slice(0, 80)}…` : name;
    const more = wrong.length > 1 ? ` (${wrong.length} are not)` : "";
    throw new Trouble(`“${shown}” is not in the catalogue${more}`, wrong[0], nearest(name));
  }

  const pairsOf = (name) => new Set([...name].slice(1).map((letter, n) => name[n] + letter));

  function nearest(name) {
    const wanted = pairsOf(name.slice(0, 200).toLowerCase());
    const likeness = (other) => {
      const pairs = pairsOf(other);
      return [...pairs].filter((pair) => wanted.has(pair)).length * 2 / (pairs.size + wanted.size);
    };
    const others = picker.names().filter((other) => picker.known(other) && !other.endsWith("/*"));
    const rated = others.map((other) => [likeness(other), other]);
    return rated.sort((a, b) => b[0] - a[0]).slice(0, 3).filter(([like]) => like > 0.4).map(([, other]) => other);
  }

  function showTrouble(found) {
    trouble = found;
    const place = byId("policy-text-error");
    const line = found && text.value.slice(0, found.start).split("\n").length;
    const message = found ? `Line ${line}: ${found.message}. The list keeps the last valid policy.` : "";
    if (place.textContent !== message) place.textContent = message;
    place.hidden = !found;
    if (found) text.setAttribute("aria-invalid", "true");
    else text.removeAttribute("aria-invalid");
    const help = byId("policy-text-help");
    const buttons = found ? fixesFor(found, line) : aside ? [button("Bring back my unfinished text", "restore")] : [];
    help.replaceChildren(...buttons);
    help.hidden = !buttons.length;
  }

  function fixesFor(found, line) {
    return [
      button(`Go to line ${line}`, "goto"),
      button("Discard my text", "discard"),
      ...(found.fixes.length ? [element("span", "", "Nearest:")] : []),
      ...found.fixes.map((name) => button(name, "fix", name)),
    ];
  }

  function button(label, act, value = "") {
    const made = element("button", "button small", label);
    made.type = "button";
    made.dataset[act] = value;
    return made;
  }

  // Names are looked up in the whole list; where it doesn't come, the server alone knows what exists.
  let waiting = null;
  function readText(origin = "text", isLast = picker.isWhole()) {
    waiting = null;
    try {
      const found = read(text.value);
      if (!isLast) {
        waiting = origin;
        picker.load();
        return;
      }
      const names = check(found);
      aside = "";
      showTrouble(null);
      const joined = origin === "text" && performance.now() - typed < TYPING;
      if (picker.replace(names, "edited the JSON", origin, joined)) typed = performance.now();
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      showTrouble(error);
    }
  }

  picker.onCome(() => { if (waiting) readText(waiting); });
  picker.onFailure(() => { if (waiting) readText(waiting, true); });

  function writeText(names) {
    waiting = null;
    if (trouble) aside = text.value;
    text.value = JSON.stringify({ allow: names }, null, 2);
    showTrouble(null);
  }

  function goToTrouble() {
    text.focus();
    text.setSelectionRange(trouble.start, trouble.end);
    const linesAbove = text.value.slice(0, trouble.start).split("\n").length - 2;
    text.scrollTop = linesAbove * parseFloat(getComputedStyle(text).lineHeight);
  }

  text.addEventListener("input", () => readText());
  const acts = {
    goto: goToTrouble,
    fix: (name) => {
      text.setRangeText(JSON.stringify(name), trouble.start, trouble.end, "end");
      readText("fix");
    },
    discard: () => {
      trouble = null;
      writeText(picker.chosen());
    },
    restore: () => {
      text.value = aside;
      aside = "";
      readText("restore");
    },
  };
  byId("policy-text-help").addEventListener("click", ({ target }) => {
    const act = Object.keys(acts).find((name) => name in target.dataset);
    if (!act) return;
    acts[act](target.dataset[act]);
    text.focus();
  });

  byId("copy-policy").addEventListener("click", async ({ target }) => {
    try {
      await navigator.clipboard.writeText(text.value);
      picker.say("Policy copied.");
      target.textContent = "Copied";
      setTimeout(() => { target.textContent = "Copy"; }, 4000);
    } catch {
      text.focus();
      text.select();
      picker.say("The browser refused to copy. The text is selected: press Ctrl+C or ⌘C.");
    }
  });

  // Tasks

  const cards = [...form.querySelectorAll(".card")].map((card) => ({
    card,
    names: card.dataset.permissions.split(" ").filter(Boolean),
    state: card.querySelector("[data-state]"),
  }));

  function showCards(names) {
    const on = new Set(names);
    for (const { card, names: own, state } of cards) {
      const inside = own.length > 0 && own.every((name) => on.has(name));
      const exact = inside && new Set(own).size === on.size;
      const shown = exact ? "Exactly this" : inside ? "Included" : "";
      if (state.textContent !== shown) state.textContent = shown;
      card.classList.toggle("inside", inside);
      card.querySelector("[data-template=only]").setAttribute("aria-pressed", String(exact));
    }
  }

  byId("templates")?.addEventListener("click", ({ target }) => {
    const way = target.dataset.template;
    const chosen = way && cards.find(({ card }) => card.contains(target));
    if (!chosen) return;
    const { slug, title, suggestedName } = chosen.card.dataset;
    const before = picker.chosen().length;
    if (way === "add") picker.add(chosen.names, `added the task “${title}”`);
    else picker.replace(chosen.names, `took only the task “${title}”`, "template");
    if (way === "only" || !before) byId("template-slug").value = slug;
    suggestName(suggestedName);
    picker.say(`“${title}”: ${plural(chosen.names.length)}. ${picker.chosen().length} chosen.`);
  });

  function suggestName(suggested) {
    const name = byId("id_friendly_name");
    if (!suggested || !name || name.value) return;
    name.value = suggested;
    name.dispatchEvent(new Event("input"));
  }

  // The chosen ones

  function showChosen(names) {
    byId("chosen-count").textContent = `${names.length}/${picker.max}`;
    byId("chosen-none").hidden = names.length > 0;
    byId("clear").hidden = !names.length;
    const place = byId("chosen-list");
    place.hidden = !names.length;
    place.replaceChildren(...names.map((name) => {
      const item = element("li");
      const code = element("code", picker.known(name) ? "" : "missing", picker.short(name));
      code.title = picker.known(name) ? name : `${name}: not in the catalogue`;
      code.translate = false;
      const risk = picker.riskOf(name);
      const mark = element("span", "why", risk === "high" || risk === "critical" ? risk : "");
      const remove = element("button", "", "×");
      remove.type = "button";
      remove.dataset.remove = name;
      remove.setAttribute("aria-label", `Remove ${name}`);
      item.append(code, mark, remove);
      return item;
    }));
  }

  byId("chosen-list").addEventListener("click", ({ target }) => {
    const name = target.dataset.remove;
    if (!name) return;
    const place = picker.chosen().indexOf(name);
    picker.replace(picker.chosen().filter((other) => other !== name), `removed ${picker.short(name)}`, "chip");
    const rest = byId("chosen-list").querySelectorAll("button");
    (rest[Math.min(place, rest.length - 1)] || byId("chosen-title")).focus();
  });

  byId("clear").addEventListener("click", () => {
    picker.replace([], `removed all ${picker.chosen().length}`, "clear");
    picker.say("Removed all. Undo brings them back.");
    byId("chosen-title").focus();
  });

  // The difference from the key that is changed

  function showDiff(names) {
    const section = byId("diff");
    if (!section) return;
    const old = new Set(section.dataset.old.split(" ").filter(Boolean));
    const now = new Set(names);
    const added = names.filter((name) => !old.has(name));
    const removed = [...old].filter((name) => !now.has(name)).sort();
    const kept = old.size - removed.length;
    const differs = added.length + removed.length > 0;
    section.querySelector("[data-diff-count]").textContent = differs
      ? `${added.length} added, ${removed.length} removed, ${kept} kept` : `No difference: ${kept} kept`;
    const list = section.querySelector("[data-diff-list]");
    list.hidden = !differs;
    const line = (kind, label) => (name) => {
      const item = element("li", kind);
      item.append(element("span", "visually-hidden", label), element("code", "", name));
      return item;
    };
    list.replaceChildren(...added.map(line("added", "Added")), ...removed.map(line("removed", "Removed")));
  }

  // The summary and what was pasted: asked of the server

  const summary = byId("builder-summary");
  const result = byId("paste-result");
  const paste = byId("paste");

  function askSummary() {
    summary.setAttribute("aria-busy", "true");
    summary.dispatchEvent(new Event("policychange"));
  }

  whenTyped(["account", "team", "lifetime_days", "friendly_name"], askSummary);

  // Guardrails belong to account and team. What they block is asked for with another one, and when the list is here.
  let asking = null;
  let blocked = null; // the reasons, each with its permissions
  async function askRails() {
    asking?.abort();
    const { signal } = asking = new AbortController();
    form.classList.add("other-account");
    try {
      const answer = await fetch(`${form.action}?${accountAndTeam()}`, { signal });
      if (!answer.ok || !answer.headers.get("Content-Type").includes("json")) return;
      ({ blocked } = await answer.json());
      drawRails();
      form.classList.remove("other-account");
    } catch (error) {
      if (error.name !== "AbortError" && error.name !== "TypeError") throw error; // no network: no marks
    }
  }

  function accountAndTeam() {
    const asked = new URLSearchParams({ rails_only: "1" });
    for (const name of ["account", "team"]) asked.set(name, byId(`id_${name}`)?.value || "");
    return asked;
  }

  function drawRails() {
    const why = new Map(Object.entries(blocked).flatMap(([reason, names]) => names.map((name) => [name, reason])));
    for (const old of form.querySelectorAll(".blocked-why")) old.remove();
    for (const row of form.querySelectorAll(".resource")) {
      const reasons = new Set();
      for (const label of row.querySelectorAll(".choice")) {
        const reason = why.get(label.firstElementChild.value);
        label.classList.toggle("blocked", Boolean(reason));
        if (reason) reasons.add(reason);
      }
      row.append(...[...reasons].map((reason) => element("p", "blocked-why small", reason)));
    }
  }
  whenTyped(["account", "team"], askRails);
  picker.onCome(() => {
    if (blocked) drawRails();
    else if ("rails" in byId("permissions").dataset) askRails();
  });

  const NO_ANSWER = "The portal gave no usable answer. "
    + "Your text is still there: try again, or sign in in another window first.";

  function failed(target) {
    if (target === result) result.replaceChildren(element("p", "error", NO_ANSWER));
    else byId("summary-failed").hidden = false;
  }

  let hadFocus = false;
  form.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const { target, xhr } = detail;
    hadFocus = target.contains(document.activeElement);
    if ((xhr.status < 300 || xhr.status === 429) && /^\s*<div class="stack" data-part="/.test(xhr.responseText)) return;
    detail.shouldSwap = false;
    failed(target);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    form.addEventListener(name, (event) => {
      event.stopPropagation(); // nothing was sent that a dialog would have to speak of
      failed(event.detail.target);
    });
  }
  form.addEventListener("htmx:afterSwap", ({ detail }) => {
    picker.disarm(detail.target);
    if (detail.target === result) {
      if (detail.xhr.status < 300) paste.value = ""; // what a limit refused can be sent again
      result.focus();
      return;
    }
    summary.removeAttribute("aria-busy");
    byId("summary-failed").hidden = true;
    if (hadFocus) byId("summary-title")?.focus();
    const problems = [...summary.querySelectorAll("#problems li")].map((item) => item.textContent);
    if (problems.join() !== said) {
      picker.say(problems.length ? `Not allowed here: ${problems.join(" ")}` : "Allowed here again.");
    }
    said = problems.join();
  });
  let said = [...summary.querySelectorAll("#problems li")].map((item) => item.textContent).join();

  summary.addEventListener("click", ({ target }) => {
    const name = target.dataset.add;
    const added = name && picker.add([name], `added ${picker.short(name)}`);
    if (added) picker.say(`Added ${name}. ${picker.chosen().length} chosen.`);
  });
  result.addEventListener("click", ({ target }) => {
    if (!("addChosen" in target.dataset)) return;
    const names = [...result.querySelectorAll("[data-suggest]")].filter((box) => box.checked).map((box) => box.value);
    if (!names.length) {
      picker.say("Nothing is ticked. Tick what you need, then add it.");
      return;
    }
    const before = picker.chosen().length;
    picker.add(names, `added ${plural(names.length)} from what was pasted`);
    const { length } = picker.chosen();
    result.replaceChildren(element("p", "", `Added ${plural(length - before)}; ${length} chosen.`));
    result.focus();
  });

  // Sending: only what is shown

  let sending = false;
  form.addEventListener("submit", (event) => {
    if (["search_only", "all_only"].includes(event.submitter?.name)) return;
    if (picker.chosen().filter(picker.known).length > picker.max) {
      event.preventDefault();
      byId("permissions").focus();
      byId("permissions").scrollIntoView();
    } else if (trouble) {
      event.preventDefault();
      goToTrouble();
      picker.say(`Not sent. ${byId("policy-text-error").textContent}`);
    } else sending = true;
    setTimeout(() => { sending = false; });
  });
  form.addEventListener("formdata", ({ formData }) => {
    // The ticks are what is sent; what was pasted goes by its own button only.
    const unsent = (name) => name === "policy_text" || name.startsWith("level:") || (sending && name === "paste");
    for (const name of [...formData.keys()]) if (unsent(name)) formData.delete(name);
  });

  // Small helps beside the other fields

  for (const note of form.querySelectorAll("[data-for]")) {
    const input = byId(note.dataset.for);
    const tell = () => {
      if (input.type === "number") {
        const days = Number(input.value);
        const end = new Date(Date.now() + days * 864e5);
        const known = days >= 1 && days <= 3660;
        note.textContent = known ? `Issued today, it would end on ${end.toISOString().slice(0, 10)}.` : "";
      } else {
        const length = [...input.value].length;
        note.textContent = `${length}/${input.dataset.max} characters`;
        note.classList.toggle("error", length > Number(input.dataset.max));
      }
    };
    input.addEventListener("input", tell);
    tell();
  }

  function follow(names, origin) {
    if (origin === "whole") { // chosen is what was; now the risk of each is known
      showChosen(names);
      return;
    }
    if (origin !== "text") typed = 0;
    if (origin !== "text" && origin !== "restore") writeText(names);
    showCards(names);
    showChosen(names);
    showDiff(names);
    askSummary();
  }
  picker.onChange(follow);

  // At the start the server has drawn the summary, unless the browser put other ticks back since
  const drawn = [...form.querySelectorAll("#permissions input[checked][name=permissions]")].map((box) => box.value);
  const first = picker.chosen();
  if (byId("policy-text-error").hidden && text.value === text.defaultValue) writeText(first);
  else readText("restore");
  showCards(first);
  showChosen(first);
  showDiff(first);
  if ([...new Set(drawn.flatMap(picker.expand))].sort().join() !== first.join()) addEventListener("load", askSummary);
})();
