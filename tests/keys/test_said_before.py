"""What a button does is said beside it, before it is pressed: to what, when, and whether it can be undone."""

import re

import pytest

from tests.cast import text_of


def described(answer, button):
    """Return the text that describes a button to who can't see the page."""
    html = answer.content.decode()
    name = re.search(rf'aria-describedby="([^"]+)"[^>]*>{button}<', html).group(1)
    inside = re.search(rf'(?s)<(\w+)[^>]* id="{name}"[^>]*>(.*?)</\1>', html).group(2)
    return " ".join(re.sub(r"<[^>]+>", " ", inside).split())


def test_revoking_says_which_key_and_that_it_is_final(cast):
    key = cast.issued(friendly_name="billing", purpose="The nightly bill.")[0].keys.get()
    words = described(cast.client("engineer").get(f"/keys/{key.sid}/"), "Revoke key")
    assert "“billing” on Shop at Twilio, immediately" in words
    assert "stops working" in words and "can’t be undone" in words
    assert "“The nightly bill.”" in words and "Its owner" not in words
    assert "Its owner: Engineer Person (engineer)" in described(
        cast.client("lead").get(f"/keys/{key.sid}/"), "Revoke key"
    )


@pytest.mark.parametrize("approved", [False, True])
def test_cancelling_says_what_ends(cast, approved):
    key_request = cast.approved(friendly_name="billing") if approved else cast.ask(friendly_name="billing")
    words = described(cast.client("engineer").get(f"/requests/{key_request.pk}/"), "Cancel request")
    assert "Ends “billing” immediately" in words and "can’t be undone" in words
    assert ("its approval with it" in words) is approved


def test_a_keys_page_says_what_it_can_do_above_its_buttons(cast):
    key = cast.issued()[0].keys.get()
    page = text_of(cast.client("engineer").get(f"/keys/{key.sid}/"))
    what = page.index("What the key may do")
    assert what < page.index("I have stored it") < page.index("Rotate key") < page.index("Revoke key")
