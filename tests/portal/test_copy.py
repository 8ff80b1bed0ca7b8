"""Every SID on a page has a button that copies it, and the one secret is covered."""

import re

import pytest

from tests.cast import text_of

SID = re.compile(r"\b(?:SK|AC)[0-9a-f]{32}\b")


def without_forms(html):
    """Return a page without what is chosen or followed: options of a list, addresses, attributes, files' contents."""
    html = re.sub(r"(?s)<(option|pre|title|script)\b.*?</\1>", "", html)
    unseen = "href|action|hx-get|hx-post|value|title|data-account|data-old|content|datetime"
    return re.sub(rf'\s(?:{unseen})="[^"]*"', "", html)


def shown_and_copied(answer):
    html = without_forms(answer.content.decode())
    copied = set(re.findall(r'data-copy-text="([^"]*)"', html))
    return set(SID.findall(re.sub(r"<[^>]+>", " ", html))), copied


@pytest.fixture
def key(cast):
    return cast.issued()[0].keys.get()


PAGES = {
    "engineer": ["/", "/keys/", "/keys/{sid}/", "/requests/{request}/", "/requests/new/?key={sid}"],
    "lead": ["/keys/{sid}/", "/keys/", "/admin/keys_app/keyrequest/{request}/change/"],
    "security": ["/audit/", "/audit/keys/{sid}/", "/reconciliation/", "/audit/reports/keys/"],
}


@pytest.mark.parametrize(("role", "url"), [(role, url) for role, urls in PAGES.items() for url in urls])
def test_each_sid_on_a_page_has_its_button(cast, key, role, url):
    answer = cast.client(role).get(url.format(sid=key.sid, request=key.request_id))
    assert answer.status_code == 200
    shown, copied = shown_and_copied(answer)
    assert shown and shown <= copied
    for sid in copied:
        assert f'aria-label="Copy SID {sid}"' in answer.content.decode()


def test_the_page_of_an_event_has_it_too(cast, key):
    security = cast.client("security")
    number = re.search(r'id="event-(\d+)"', security.get("/audit/?q=action:key.issued").content.decode()).group(1)
    shown, copied = shown_and_copied(security.get(f"/audit/{number}/"))
    assert shown == copied == {key.sid, key.account_id}


def test_the_secret_is_covered_and_its_text_is_exact(cast):
    answer = cast.issue(cast.approved())
    html = answer.content.decode()
    [(attributes, secret)] = re.findall(r'<code id="key-secret" translate="no"([^>]*)>([^<]*)</code>', html)
    assert "data-covered" in attributes and "hidden" not in attributes and "style" not in attributes
    assert secret and html.count(secret) == 1
    assert '<button class="button small" type="button" data-reveal="#key-secret"' in html
    assert "never printed" in text_of(answer)
