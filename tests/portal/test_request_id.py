"""Each answer has an id of the portal's own; error pages and log lines bear it, and say what they are about."""

import logging
import re

import pytest
from django.test import Client

from keys_app.views import home
from portal import request_id
from portal.logs import MaskingFormatter
from tests.cast import text_of

ID = re.compile(r"[0-9a-f]{12}")


def test_each_answer_has_one_of_its_own_whatever_a_client_sends(cast):
    client = cast.client("engineer")
    forged = "x\r\nSet-Cookie: a=b"
    ids = [client.get("/", headers={"X-Request-ID": "000000000000"})["X-Request-ID"] for _ in range(2)]
    ids += [client.get(url)["X-Request-ID"] for url in ("/nowhere/", "/healthz", "/accounts/login/")]
    assert forged not in ids and all(ID.fullmatch(one) for one in ids)
    assert len({*ids, "000000000000"}) == len(ids) + 1
    assert request_id.current() == ""


PAGES = {
    "no page": ("engineer", "get", "/nowhere/", 404, "There is no page at this address, or none you may see."),
    "no key": ("engineer", "get", f"/keys/SK{'0' * 32}/", 404, "There is no key with this SID, or none you may see."),
    "no request": (
        *("engineer", "get", "/requests/00000000-0000-4000-8000-000000000000/"),
        *(404, "There is no request with this number, or none you may see."),
    ),
    "not open": ("engineer", "get", "/audit/", 403, "Your role does not open this page."),
    "bad": ("engineer", "get", "/keys/?q=%00", 400, "The portal could not read this request."),
    "problem": ("lead", "post", "/requests/{}/issue/", 403, "You pressed “Issue key”."),
}


@pytest.mark.parametrize("page", PAGES)
def test_an_error_page_bears_it_and_says_what_it_is_about(cast, page):
    role, method, url, status, words = PAGES[page]
    answer = getattr(cast.client(role), method)(url.format(cast.approved().pk) if "{}" in url else url)
    assert answer.status_code == status
    assert f"Request id: {answer['X-Request-ID']} ." in text_of(answer)
    assert words in text_of(answer)


def test_a_dialog_bears_it_too(cast):
    issued = cast.issued()[0]
    answer = cast.issue(issued, headers={"HX-Request": "true"})
    assert answer.status_code == 409 and "<dialog" in answer.content.decode()
    assert answer["X-Request-ID"] in text_of(answer)
    assert "You pressed “Issue key”." in text_of(answer)


def test_a_form_out_of_date_names_the_button(cast):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.people["engineer"])
    answer = client.post(f"/requests/{cast.ask().pk}/cancel/")
    assert answer.status_code == 403
    assert "You pressed “Cancel request”, and nothing was done." in text_of(answer)
    assert answer["X-Request-ID"] in text_of(answer)


def test_the_page_of_a_fault_and_its_log_lines_bear_the_same(cast, monkeypatch):
    monkeypatch.setattr(home, "render", lambda *_, **__: 1 / 0)
    written = []
    handler = logging.Handler()
    handler.emit = lambda record: written.append(MaskingFormatter().format(record))
    logging.getLogger("django.request").addHandler(handler)
    client = cast.client("engineer")
    client.raise_request_exception = False
    try:
        answer = client.get("/")
    finally:
        logging.getLogger("django.request").removeHandler(handler)
    assert answer.status_code == 500
    assert answer["X-Request-ID"] in text_of(answer)
    [line] = written
    assert f" ERROR django.request [{answer['X-Request-ID']}]: Internal Server Error: /" in line
