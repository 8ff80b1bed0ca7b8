"""Finding keys by state, name and SID; the filter is in the address."""

from datetime import timedelta

import pytest
from django.utils import timezone

from keys_app.keys.models import ApiKey
from tests.cast import text_of

NAMES = ("alpha-live", "beta-soon", "gamma-gone")


@pytest.fixture
def keys(cast):
    made = {name: cast.issued(friendly_name=name)[0].keys.get() for name in NAMES}
    ApiKey.objects.filter(pk=made["beta-soon"].pk).update(expires_at=timezone.now() + timedelta(days=13))
    cast.client("engineer").post(f"/keys/{made['gamma-gone'].sid}/revoke/", {"reason": "Done."})
    return made


def shown(cast, query, role="engineer"):
    answer = cast.client(role).get(f"/keys/{query}")
    assert answer.status_code == 200
    return [name for name in NAMES if name in text_of(answer)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", NAMES),
        ("?state=live", NAMES[:2]),
        ("?state=expiring", NAMES[1:2]),
        ("?state=revoked", NAMES[2:]),
        ("?state=nonsense", NAMES),
        ("?q=ALPHA", NAMES[:1]),
        ("?q=+beta+", NAMES[1:2]),
        ("?q=nothing", ()),
        ("?q=%25", ()),
        ("?state=live&q=gamma", ()),
    ],
)
@pytest.mark.parametrize("role", ["engineer", "lead", "security"])
def test_it_narrows_the_list(cast, keys, query, expected, role):
    assert shown(cast, query, role) == list(expected)


def test_it_finds_a_part_of_a_sid(cast, keys):
    sid = keys["alpha-live"].sid
    assert shown(cast, f"?q={sid}") == ["alpha-live"]
    assert shown(cast, f"?q={sid[:20].lower()}") == ["alpha-live"]


def test_it_keeps_what_was_chosen_and_says_when_nothing_matches(cast, keys):
    page = cast.client("engineer").get("/keys/?state=live&q=%22zz%3C")
    assert '<option value="live" selected>' in page.content.decode()
    assert 'value="&quot;zz&lt;"' in page.content.decode()
    assert "No keys match. Show all keys" in text_of(page)


@pytest.mark.parametrize("role", ["colleague", "lead2", "engineer2", "stranger"])
def test_it_finds_nothing_of_others(cast, keys, role):
    for query in ("", "?state=live", f"?q={keys['alpha-live'].sid}"):
        assert shown(cast, query, role) == []
