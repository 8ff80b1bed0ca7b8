"""Who sees a request, and taking it back."""

import re
import uuid

import pytest

from tests.cast import text_of


@pytest.mark.parametrize(
    ("role", "sees"),
    [
        ("engineer", True),
        ("lead", True),
        ("colead", True),
        ("security", True),
        ("colleague", False),
        ("engineer2", False),
        ("lead2", False),
        ("admin", False),
        ("stranger", False),
    ],
)
def test_it_shows_a_request_to_its_people_and_hides_that_it_exists_from_others(cast, role, sees):
    key_request = cast.ask(friendly_name="seen-or-not")
    client = cast.client(role)
    assert client.get(f"/requests/{key_request.pk}/").status_code == (200 if sees else 404)
    assert ("seen-or-not" in text_of(client.get("/requests/"))) is sees
    assert client.post(f"/requests/{key_request.pk}/cancel/").status_code == (
        302 if role == "engineer" else 403 if sees else 404
    )


@pytest.mark.parametrize(("role", "offered"), [("engineer", True), ("lead", True), ("security", False)])
def test_it_offers_its_policy_to_those_who_may_ask_with_it(cast, role, offered):
    key_request = cast.ask()
    client, link = cast.client(role), f"/requests/new/?copy={key_request.pk}"
    assert (link in client.get(f"/requests/{key_request.pk}/").content.decode()) is offered
    assert client.get(link).status_code == (200 if offered else 404)


@pytest.mark.parametrize(
    ("role", "told"), [("stranger", True), ("engineer", False), ("security", False), ("admin", False)]
)
def test_home_says_why_one_cannot_ask_to_those_who_might_want_to(cast, role, told):
    assert ("You cannot request a key" in text_of(cast.client(role).get("/"))) is told


def test_its_history_says_in_words_who_was_refused(cast):
    key_request = cast.ask()
    cast.client("engineer2").get(f"/requests/{key_request.pk}/")
    page = text_of(cast.client("engineer").get(f"/requests/{key_request.pk}/"))
    assert "was refused access" in page
    assert "access.refused" not in page


def test_it_answers_the_same_for_a_hidden_request_and_for_none(cast):
    hidden = cast.client("engineer2").get(f"/requests/{cast.ask().pk}/")
    absent = cast.client("engineer2").get(f"/requests/{uuid.uuid4()}/")
    assert hidden["X-Request-ID"] != absent["X-Request-ID"]
    words = [text_of(answer).replace(answer["X-Request-ID"], "…") for answer in (hidden, absent)]
    assert words[0] == words[1]
    assert "There is no request with this number, or none you may see." in words[0]


def test_it_cancels_once(cast, actions):
    key_request = cast.ask()
    client = cast.client("engineer")
    assert client.post(f"/requests/{key_request.pk}/cancel/").status_code == 302
    assert "Cancelled" in text_of(client.get(f"/requests/{key_request.pk}/"))
    assert client.post(f"/requests/{key_request.pk}/cancel/").status_code == 409
    assert actions(key_request.pk) == ["request.created", "request.cancelled"]


def test_it_does_not_cancel_an_issued_request(cast):
    key_request, _ = cast.issued()
    answer = cast.client("engineer").post(f"/requests/{key_request.pk}/cancel/")
    key_request.refresh_from_db()
    assert answer.status_code == 409
    assert key_request.state == "issued"


def test_it_offers_to_issue_to_the_requester_of_an_approved_request_only(cast):
    key_request = cast.ask()
    url = f"/requests/{key_request.pk}/"
    assert "Issue key" not in text_of(cast.client("engineer").get(url))
    cast.decide("lead", key_request, "approve")
    assert "Issue key" in text_of(cast.client("engineer").get(url))
    assert f'action="{url}issue/"' not in cast.client("lead").get(url).content.decode()


def test_it_escapes_what_people_type(cast):
    nasty = "<script>alert(1)</script>"
    key_request = cast.ask(friendly_name=nasty, purpose=nasty)
    urls = [f"/requests/{key_request.pk}/", "/requests/", "/"]
    admin_url = f"/admin/keys_app/keyrequest/{key_request.pk}/change/"
    pages = [cast.client("engineer").get(url) for url in urls]
    pages += [cast.client("lead").get(url) for url in ("/admin/keys_app/keyrequest/", admin_url)]
    pages.append(cast.client("security").get("/audit/"))
    for page in pages:
        assert page.status_code == 200
        assert nasty not in page.content.decode()


def test_it_pages_through_many_requests_without_losing_or_repeating_one(cast):
    names = [f"request-{number:03}" for number in range(55)]
    for name in names:
        cast.ask(friendly_name=name)
    client = cast.client("engineer")
    pages = [client.get("/requests/").context["listing"]]
    while pages[-1].next_url:
        pages.append(client.get(pages[-1].next_url).context["listing"])
    seen = [item.friendly_name for page in pages for item in page.rows]
    assert [len(page.rows) for page in pages] == [20, 20, 15]
    assert seen == sorted(names, reverse=True)


@pytest.mark.parametrize(
    "after", ["x", "2026-01-01~x", "2026-01-01T00:00:00+00:00~x", "~", "0001-01-01T00:00:00+23:59~x"]
)
def test_it_has_no_page_for_a_cursor_that_is_none(cast, after):
    assert cast.client("engineer").get("/requests/", {"after": after}).status_code == 404


def test_what_a_lead_may_press_in_the_head_follows_as_well(cast):
    """The page asks for itself while the request waits; when it waits no longer, “Decide” must not stay."""
    key_request, lead = cast.ask(), cast.client("lead")
    page = lead.get(f"/requests/{key_request.pk}/").content.decode()
    assert re.search(r'hx-select-oob="[^"]*#request-decide', page)
    head = re.compile(r'<span id="request-decide">\s*<a class="button"[^>]*>\s*(.+?)\s*</a>')
    assert head.search(page)[1] == "Decide"
    cast.client("engineer").post(f"/requests/{key_request.pk}/cancel/")
    assert head.search(lead.get(f"/requests/{key_request.pk}/").content.decode())[1] == "Approver’s view"
