"""The policy builder in a browser: every way of choosing ends in the same ticks, and only these are sent."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from .builder_walk import TEMPLATES, Step, Walk, levels_of, spelled_out
from .checkout import ON_SQLITE
from .test_secret_once import EVERYWHERE

pytestmark = [pytest.mark.browser, ON_SQLITE]

STEPS = 80
REPLACED = re.compile(r"htmx:(afterRequest|sendAbort), \[object HTMLDivElement\]")
"""How htmx notes that a step came while the summary of the one before was asked for."""
MESSAGES, CALLS, USAGE = "/twilio/messaging/messages/", "/twilio/voice/calls/", "/twilio/billing/usage/"
TOKEN = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
REFUSAL = """{"code": 70051, "message": "Authorization Error: required permission twilio/voice/calls/read is missing",
"more_info": "https://www.twilio.com/docs/errors/70051", "status": 401}"""
SID = "AC0123456789abcdef0123456789abcdef"
CURL = f"""curl -X POST https://api.twilio.com/2010-04-01/Accounts/{SID}/Messages.json \\
  --data-urlencode Body=Hi -u {SID}:{TOKEN}"""
TICKS = "boxes => boxes.filter((box) => box.checked).map((box) => box.value)"
SHOWN = """() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  return {
    ticks: all("#permissions .resource input:checked").map((box) => box.value),
    posted: new FormData(document.getElementById("request-form")).getAll("permissions"),
    text: document.getElementById("policy-text").value,
    invalid: !document.getElementById("policy-text-error").hidden,
    levels: Object.fromEntries(all(".resource > select").map((one) => [one.name.replace("level:", ""), one.value])),
    chips: all("#chosen-list [data-remove]").map((chip) => chip.dataset.remove),
    count: Number(document.getElementById("picker-count").textContent),
    counts: all("#permissions [data-selected]").reduce((sum, one) => sum + Number(one.textContent), 0),
  };
}"""


def ticks(page: Page) -> set[str]:
    """Return what is ticked in the list, wildcards spelled out."""
    return spelled_out(page.locator("#permissions .resource input").evaluate_all(TICKS))


def box(page: Page, permission: str) -> Any:
    return page.locator(f'#permissions .resource input[value="{permission}"]')


def open_lists(page: Page) -> None:
    """Open everything, and wait for the permissions that come then."""
    page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
    expect(page.locator(".product .rest")).to_have_count(0)


def describe(page: Page, name: str) -> None:
    """Fill in what the form asks besides the permissions."""
    page.get_by_label("Twilio account").select_option(index=1)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Purpose").fill("Try the builder.")


def stored(page: Page) -> set[str]:
    """Wait for the page of the request that was just sent, and return its policy, wildcards spelled out."""
    page.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}/$"))
    return spelled_out(json.loads(page.locator(".policy pre").text_content() or "")["allow"])


def settled(page: Page) -> None:
    """Wait for what the page asks the portal in the background: a page that is left before complains about it."""
    expect(page.locator("#builder-summary")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator("#request-form")).not_to_have_class(re.compile("other-account"))


def send(page: Page) -> set[str]:
    settled(page)
    page.get_by_role("button", name="Send request").click()
    return stored(page)


# A random walk


def take(page: Page, step: Step) -> None:
    """Do in the page what the model did."""
    match step.kind:
        case "click":
            box(page, step.target).evaluate("box => box.click()")
        case "level":
            page.locator(f'select[name="level:{step.target}"]').select_option(step.value, force=True)
        case "add" | "only":
            page.locator(f"#template-{step.target} [data-template={step.kind}]").evaluate("button => button.click()")
        case "text":
            page.locator("#policy-text").fill(step.value)
        case "remove":
            page.locator(f'[data-remove="{step.target}"]').evaluate("button => button.click()")
        case "undo":
            page.locator("#undo").evaluate("button => button.click()")


def check(page: Page, walk: Walk, step: object) -> None:
    """Everything the page shows must be what the model holds."""
    shown = page.evaluate(SHOWN)
    assert spelled_out(shown["ticks"]) == walk.chosen, step
    assert spelled_out(shown["posted"]) == walk.chosen, step
    assert shown["invalid"] == walk.invalid, step
    if not walk.invalid:
        policy = json.loads(shown["text"])
        assert spelled_out(policy["allow"] if isinstance(policy, dict) else policy) == walk.chosen, step
    assert shown["levels"] == levels_of(walk.chosen), step
    assert sorted(shown["chips"]) == sorted(walk.chosen), step
    assert shown["count"] == shown["counts"] == len(walk.chosen), step


@pytest.mark.parametrize("seed", [7])
def test_ticks_levels_text_and_counts_agree_after_every_step(sign_in, seed: int):
    tab = sign_in("engineer")
    page, walk = tab.page, Walk(seed)
    page.goto("/requests/new/")
    open_lists(page)
    taken: set[str] = set()
    for number in range(STEPS):
        step = walk.step()
        take(page, step)
        check(page, walk, (seed, number, step))
        taken.add(step.kind)
    while walk.invalid or not walk.chosen:  # what is on the page then is not meant to be sent
        take(page, walk.step())
    assert taken == {"click", "level", "add", "only", "text", "remove", "undo"}
    check(page, walk, (seed, "before sending"))
    describe(page, f"walk {seed}")
    assert send(page) == walk.chosen
    assert [one for one in tab.complaints if not REPLACED.match(one)] == []


# The keyboard


def tab_to(page: Page, selector: str, key: str = "Tab", limit: int = 150) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(limit):
        page.keyboard.press(key)
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{key} does not reach {selector}")


def test_the_keyboard_is_enough(sign_in):
    tab = sign_in("engineer")
    page, keyboard = tab.page, tab.page.keyboard
    page.goto("/requests/new/")
    tab_to(page, "#id_account")
    keyboard.press("ArrowDown")
    tab_to(page, "#id_friendly_name")
    keyboard.type("keyboard")
    tab_to(page, "#id_purpose")
    keyboard.type("No pointer at hand.")

    tab_to(page, "#template-read-messages [data-template=add]")
    keyboard.press("Enter")
    chosen = set(TEMPLATES["read-messages"])
    assert ticks(page) == chosen

    tab_to(page, "#picker-search")
    keyboard.type("calls delete")
    expect(page.locator("#picker-matches")).to_contain_text("Down to go through them")
    keyboard.press("ArrowDown")  # lands on the action that was searched for
    found = page.evaluate("document.activeElement.value")
    keyboard.press("Space")
    chosen |= {found}
    assert found.endswith("/delete")
    assert ticks(page) == chosen
    keyboard.press("ArrowUp")
    expect(page.locator("#picker-search")).to_be_focused()
    keyboard.press("Escape")
    keyboard.type("account usage")
    expect(page.locator("#picker-matches")).to_contain_text("matches.")

    tab_to(page, 'select[name="level:billing/usage"]')
    keyboard.press("ArrowDown")
    chosen |= {f"{USAGE}read"}
    assert ticks(page) == chosen

    tab_to(page, "#policy-text")
    keyboard.press("Control+a")
    keyboard.type(f'["{CALLS}read"]')
    assert ticks(page) == {f"{CALLS}read"}
    tab_to(page, "#copy-policy", "Shift+Tab")  # in the text, Ctrl+Z is the browser's
    keyboard.press("Control+z")
    assert ticks(page) == chosen

    tab_to(page, "#request-form button.primary")
    settled(page)
    keyboard.press("Enter")
    assert stored(page) == chosen
    assert tab.complaints == []


# Sending


def test_after_a_refusal_only_what_is_still_ticked_is_sent(sign_in):
    page = sign_in("engineer").page
    page.goto("/requests/new/?template=send-sms")
    describe(page, " ")  # enough for the browser, not for the portal
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_role("alert").filter(has_text="Not sent")).to_be_visible()
    assert ticks(page) == TEMPLATES["send-sms"]
    box(page, f"{MESSAGES}create").uncheck()
    page.get_by_label("Name", exact=True).fill("after a refusal")
    assert send(page) == {f"{MESSAGES}list", f"{MESSAGES}read"}


def test_pasted_evidence_becomes_ticks_and_its_credential_is_gone(sign_in):
    tab = sign_in("engineer")
    page = tab.page
    page.goto("/requests/new/")
    page.get_by_text("Paste what you have").click()
    result, add = page.locator("#paste-result"), page.get_by_role("button", name="Add chosen")
    for pasted, warnings in ((REFUSAL, 0), (CURL, 1)):
        page.locator("#paste").fill(pasted)
        page.get_by_role("button", name="Read it").click()
        expect(add).to_be_visible()
        expect(result.get_by_role("alert")).to_have_count(warnings)
        expect(page.locator("#paste")).to_have_value("")
        before = ticks(page)
        add.click()
        assert len(ticks(page) - before) == 1
    needed = {f"{CALLS}read", f"{MESSAGES}create"}
    assert ticks(page) == needed
    fields = page.locator("input, textarea").evaluate_all("all => all.map((one) => one.value).join()")
    assert TOKEN not in page.evaluate(EVERYWHERE) + fields
    describe(page, "from evidence")
    assert send(page) == needed
    assert TOKEN not in page.evaluate(EVERYWHERE)
    assert tab.complaints == []


PASTES = """async () => {
    const headers = {...JSON.parse(document.body.getAttribute("hx-headers")), "HX-Request": "true"};
    for (let pressed = 0; pressed < 300; pressed += 1) {
        const body = new URLSearchParams({paste_only: "1", paste: "GET /"});
        await fetch("/requests/new/", {method: "POST", headers, body});
    }
}"""


def test_a_search_says_which_kind_of_no_it_is(sign_in):
    tab = sign_in("engineer")
    page = tab.page
    page.goto("/requests/new/")
    search, said = page.get_by_label("Search permissions"), page.locator("#picker-not-here > :visible")
    search.press_sequentially("serverl")
    expect(said).to_have_count(1)
    expect(said).to_contain_text("not in this catalogue yet")
    search.fill("sync")
    expect(said).to_have_text(re.compile(r"^Sync .*Twilio has no restricted permission"))
    search.fill("calls")
    expect(said).to_have_count(0)
    page.get_by_text("Paste what you have").click()
    page.locator("#paste").fill("token = AccessToken(sid, key, secret)\nclient.sync.v1.services.list()")
    page.get_by_role("button", name="Read it").click()
    expect(page.locator("#paste-result li")).to_have_count(2)
    expect(page.locator("#paste-result")).to_contain_text("can’t sign Access Tokens")
    expect(page.locator("#paste-result input")).to_have_count(0)
    assert tab.complaints == []


def test_what_the_limit_of_pastes_refuses_is_still_there(sign_in):
    tab = sign_in("engineer2")
    page = tab.page
    page.goto("/requests/new/")
    page.evaluate(PASTES)
    page.get_by_text("Paste what you have").click()
    page.locator("#paste").fill(CURL)
    page.get_by_role("button", name="Read it").click()
    expect(page.locator("#paste-result").get_by_role("alert")).to_contain_text("Try again in")
    expect(page.locator("#paste")).to_have_value(CURL)


# Starting points


def test_a_link_fills_the_form_and_sends_nothing(sign_in):
    tab = sign_in("engineer")
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.method != "GET":
            sent.append(request.url)

    tab.page.on("request", note)
    tab.page.goto("/requests/new/?template=send-sms")
    tab.page.wait_for_load_state("networkidle")
    assert ticks(tab.page) == TEMPLATES["send-sms"]
    expect(tab.page.locator("#template-send-sms [data-state]")).to_have_text("Exactly this")
    expect(tab.page).to_have_url(re.compile(r"/requests/new/\?template=send-sms$"))
    assert sent == []
    assert tab.complaints == []


def test_a_change_of_a_key_shows_the_difference_as_it_grows(sign_in):
    tab = sign_in("engineer")
    page = tab.page
    page.goto("/keys/")
    address = page.get_by_role("link", name="billing-report").first.get_attribute("href") or ""
    page.goto(f"/requests/new/?key={address.split('/')[2]}")
    open_lists(page)
    count, lines = page.locator("#diff [data-diff-count]"), page.locator("#diff li")
    expect(count).to_have_text("No difference: 1 kept")
    box(page, f"{CALLS}read").check()
    expect(count).to_have_text("1 added, 0 removed, 1 kept")
    expect(lines).to_have_text([f"Added{CALLS}read"])
    box(page, f"{USAGE}read").uncheck()
    expect(count).to_have_text("1 added, 1 removed, 0 kept")
    expect(lines).to_have_text([f"Added{CALLS}read", f"Removed{USAGE}read"])
    page.locator("#undo").click()
    expect(lines).to_have_text([f"Added{CALLS}read"])
    assert tab.complaints == []


# Without JavaScript


def press(page: Page, button: str) -> None:
    """Press a button without JavaScript, and wait for all of the page that comes."""
    with page.expect_navigation():
        page.get_by_role("button", name=button).click()


def test_every_way_of_choosing_works_without_javascript(sign_in):
    page = sign_in("engineer", java_script_enabled=False).page
    page.goto("/requests/new/")
    page.get_by_label("Name", exact=True).fill("no script")
    press(page, "Use only this: Send messages")
    assert ticks(page) == TEMPLATES["send-sms"]

    page.locator('select[name="level:messaging/messages"]').select_option("read")
    press(page, "Apply levels")
    assert ticks(page) == {f"{MESSAGES}list", f"{MESSAGES}read"}

    page.get_by_label("Policy as JSON").fill(json.dumps({"allow": [f"{CALLS}*"]}))
    press(page, "Use this JSON")
    calls = spelled_out([f"{CALLS}*"])
    assert ticks(page) == calls

    page.get_by_text("Paste what you have").click()
    page.locator("#paste").fill(CURL)
    press(page, "Read it")
    assert page.locator("#paste-result input").evaluate_all(TICKS) == [f"{MESSAGES}create"]
    expect(page.locator("#paste-result").get_by_role("alert")).to_be_visible()
    expect(page.locator("#paste")).to_have_value("")
    assert ticks(page) == calls
    assert TOKEN not in page.content()
    expect(page.get_by_label("Name", exact=True)).to_have_value("no script")

    describe(page, "no script")
    page.get_by_role("button", name="Send request").click()
    assert stored(page) == calls | {f"{MESSAGES}create"}
