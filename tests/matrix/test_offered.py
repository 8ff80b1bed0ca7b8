"""What a page offers can be done: no link leads nowhere, and no button is there that is refused.

Each button is pressed and what it did taken back; the simulator keeps what was done to it, which no page asks about.
"""

import re
from html import unescape

import pytest
from django.db import transaction

from tests.forms import forms_of

from .pages import PAGES, reader

READ = ("portal:key_detail", "portal:request_detail", "portal:unmanaged_detail", "admin:keys_app_keyrequest_change")
LISTS = ("portal:home", "portal:key_list", "portal:key_left_list", "portal:review_detail", "portal:audit_report_keys")
_LINK = re.compile(r'href="(/[^"#]*)')
_BY_HAND = {"reason": "Because.", "question": "Is it so?", "comment": "Is it so?", "note": "Because."}
OF_EACH = 4
"""So many links of one form are followed for each person."""
_OTHERS = ("/accounts/", "/static/", "/audit/", "/admin/jsi18n/")


def read(world, names, role):
    """Open each of these pages about every kind; yield who read it, the kind, the address and the answer."""
    for page in (PAGES[name] for name in names if PAGES[name].answers.get(role) == "200"):
        for url, kind in page.addresses(world):
            who = reader(role, kind, world)
            answer = world.clients[who].get(url)
            if answer.status_code == 200:
                yield who, kind, url, answer


@pytest.mark.parametrize("role", ["owner", "lead", "security"])
def test_every_link_leads_somewhere(world, role):
    links: dict[tuple[str, str], set[str]] = {}
    for who, _, _, answer in read(world, (*READ, *LISTS), role):
        for url in map(unescape, _LINK.findall(answer.content.decode())):
            alike = links.setdefault((who, re.sub("[0-9a-fA-F-]{30,}", "", url)), set())
            if len(alike) < OF_EACH and not url.startswith(_OTHERS):
                alike.add(url)
    wrong = []
    for who, url in sorted({(who, url) for (who, _), alike in links.items() for url in alike}):
        status = world.clients[who].get(url, follow=True).status_code
        wrong += [f"{url} as {who}: {status}"] if status != 200 else []
    assert not wrong, "\n".join(wrong[:40])


@pytest.mark.parametrize("role", ["owner", "lead", "security"])
def test_nothing_is_offered_that_is_refused(world, role):
    wrong = []
    for who, kind, url, answer in read(world, READ, role):
        for form in forms_of(answer):
            action = form.action or url
            if form.method == "post" and not action.startswith("/accounts/"):
                wrong += [f"{kind} as {who}: {what}" for what in press_all(world.clients[who], action, form)]
    assert not wrong, "\n".join([f"{len(wrong)} in all", *wrong[:40]])


def press_all(client, action, form):
    """Press each button of a form, having typed what it wants, and take it back."""
    typed = {name: words for name, words in _BY_HAND.items() if name in form.fields}
    for name, value in form.buttons or [("", "")]:
        narrowed = {"lifetime_days": "1"} if value == "narrow" else {}
        point = transaction.savepoint()
        answer = client.post(action, form.sent(**typed, **narrowed, **({name: value} if name else {})))
        transaction.savepoint_rollback(point)
        deleted_before = answer.status_code == 503 and b"there is no such key" in answer.content  # by another button
        if answer.status_code not in (200, 302, 422) and not deleted_before:  # 422 says what else is wanted
            said = re.search(r"<h1>(.*?)</h1>\s*<p>(.*?)</p>", answer.content.decode(), re.DOTALL)
            yield f"{action} {value} answered {answer.status_code} {said.groups() if said else ''}"
