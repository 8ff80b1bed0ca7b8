"""What the dialog of a new key offers to paste elsewhere fits what the key may do."""

import pytest

from keys_app.keys.models import ApiKey
from keys_app.permissions.policy import Policy
from keys_app.permissions.presets import templates
from keys_app.views.snippets import snippets_for

AC = "AC" + "0" * 32
API = f"https://api.twilio.com/2010-04-01/Accounts/{AC}"


def made(*permissions):
    names = sorted(f"/twilio/{name}" for name in permissions)
    return snippets_for(ApiKey(account_id=AC, policy_json=Policy.of(names).to_json()))


@pytest.mark.parametrize(
    ("permissions", "url", "services"),
    [
        (["voice/calls/list", "messaging/messages/list"], f"{API}/Messages.json?PageSize=1", ""),
        (["billing/usage/read"], f"{API}/Usage/Records.json?PageSize=1", ""),
        (["monitor/alerts/list"], "https://monitor.twilio.com/v1/Alerts?PageSize=1", "twilio_monitor_v1"),
        (["studio/flows/list"], "https://studio.twilio.com/v2/Flows?PageSize=1", "twilio_studio_v2"),
        (
            ["messaging/services/list", "voice/calls/read"],
            "https://messaging.twilio.com/v1/Services?PageSize=1",
            "twilio_api_v2010,twilio_messaging_v1",
        ),
        (
            ["lookup/phone-numbers/read"],
            "https://lookups.twilio.com/v2/PhoneNumbers/+15005550006",
            "twilio_lookups_v2",
        ),
    ],
)
def test_the_request_is_one_the_key_may_make(permissions, url, services):
    found = made(*permissions)
    assert (found.url, found.note, found.services) == (url, "Expect status 200.", services)
    assert found.curl == f'curl -u "$TWILIO_API_KEY:$TWILIO_API_SECRET" "{url}"'


@pytest.mark.parametrize("permission", ["messaging/messages/create", "voice/queues.member/list"])
def test_where_none_is_quick_to_try_the_answers_code_says_whether_the_key_is_known(permission):
    found = made(permission)
    assert found.url == f"{API}/Messages.json?PageSize=1"
    assert "Code 70051 in the answer means that Twilio knows the key" in found.note


def test_a_key_of_the_simulator_says_that_it_works_nowhere(standin):
    assert "Twilio itself will answer 401" in made("voice/calls/list").note


@pytest.mark.parametrize("template", templates(), ids=lambda template: template.slug)
def test_each_task_has_a_request_without_a_gap(template):
    found = made(*(name.removeprefix("/twilio/") for name in template.permissions))
    assert found.url.startswith("https://")
    assert "{}" not in found.url
