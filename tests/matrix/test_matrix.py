"""Every kind of key on every page, read by each role that may see it: it answers, and in words that are true."""

import pytest
from django.contrib.auth.models import User

from .pages import PAGES, Page, administered, reader
from .truths import untruths
from .world import World

OUTSIDERS_READ = 2
"""So many addresses of a page are tried by whom it refuses, and are gone back from; all are read by whom it is for."""


def read(world: World, page: Page) -> list[str]:
    """Read a page about every kind it has, as each role, and return what is wrong, each with its address."""
    wrong: list[str] = []
    refused = dict.fromkeys(page.answers, 0)
    for url, kind in page.addresses(world):
        for role, expected in page.answers.items():
            if expected != "200":
                refused[role] += 1
                if refused[role] > OUTSIDERS_READ:
                    continue
            who = reader(role, kind, world)
            client = world.clients[who]
            answer = client.get(url)
            status = str(answer.status_code)
            if expected == "back" and status == "302":
                answer = client.get(answer["Location"])
                status = "back" if answer.status_code == 200 else f"back to {answer.status_code}"
            if not User.objects.get(username=who).is_active:
                expected = "302"  # noqa: PLW2901 of a session that was ended
            found = [f"answered {status}, not {expected}"] if status != expected else []
            if expected == status == "200":
                found += untruths(page.name, answer, world, kind, who)
            wrong += [f"{url} ({kind}) as {who}: {what}" for what in found]
    return wrong


@pytest.mark.parametrize("name", PAGES)
def test_it_answers_and_says_what_is_true(world, name):
    wrong = read(world, PAGES[name])
    assert not wrong, "\n".join([f"{len(wrong)} in all", *wrong[:40]])


def test_what_portal_admins_edit_can_be_read(world):
    wrong = []
    for url in administered(world):
        answer = world.clients["admin"].get(url)
        wrong += [f"{url}: {answer.status_code}"] if answer.status_code != 200 else []
    assert not wrong
