"""The whole way of a key, and a decision, by keyboard alone, read from Chromium's accessibility tree."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from .checkout import ON_SQLITE, Demo
from .keyboard import Reader

pytestmark = [pytest.mark.browser, ON_SQLITE]


@pytest.fixture
def arrive(browser: Browser, demo: Demo) -> Iterator[Callable[[str], Reader]]:
    """Return a function that opens a window and signs in a person, who has no mouse."""
    contexts = []

    def open_window(name: str) -> Reader:
        contexts.append(browser.new_context(base_url=demo.url))
        reader = Reader(contexts[-1].new_page())
        reader.page.goto("/accounts/login/")
        reader.go_to("textbox", "Username")
        reader.type(name)
        reader.go_to("textbox", "Password")
        reader.type(demo.password)
        reader.press("Enter")
        reader.page.wait_for_url(f"{demo.url}/")
        return reader

    yield open_window
    for context in contexts:
        context.close()


def test_a_key_is_requested_approved_issued_and_confirmed_without_a_mouse(arrive):
    engineer, lead = arrive("engineer"), arrive("lead")

    engineer.enter("link", "Request a key")
    engineer.page.wait_for_url("**/requests/new/")
    engineer.go_to("textbox", "Name")
    engineer.type("by-keyboard")
    engineer.go_to("textbox", "Purpose")
    engineer.type("The monthly report reads usage.")
    engineer.enter("button", "Use only this: Read usage.*")
    engineer.enter("button", "Send request")
    engineer.page.wait_for_url("**/requests/*-*/")
    engineer.wait_for("Pending")

    lead.enter("link", "Approvals.*")
    lead.enter("link", "by-keyboard")
    lead.page.wait_for_url("**/change/")
    assert lead.says("Can read account usage records")
    lead.go_to("textbox", "Reason")
    lead.type("As agreed.")
    lead.enter("button", "Approve")
    lead.wait_for("is approved")

    engineer.wait_for("Approved")  # by itself
    engineer.enter("button", "Issue key")
    engineer.wait_for("I have stored it")
    assert [node.role for node in engineer.tree()].count("dialog") == 1
    engineer.enter("button", "Copy SID")
    engineer.enter("button", "I have stored it")
    engineer.wait_for("Noted: the secret is stored.")
