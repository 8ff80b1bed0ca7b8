"""What a paste comes to: certain permissions, possible ones, and never one about keys themselves."""

import pytest

from keys_app.permissions.paste import Suggestion, read_paste
from keys_app.permissions.paste.model import Findings

LIST = "/twilio/messaging/messages/list"
CREATE = "/twilio/messaging/messages/create"
IAM = "/twilio/iam/api-keys/create"


@pytest.mark.parametrize(
    "text",
    [
        IAM,
        "/twilio/iam/api-keys/*",
        '{"code": 70051, "message": "Authorization Error: required permission twilio/iam/accounts/list is missing"}',
        "curl https://api.twilio.com/2010-04-01/Accounts.json",
        "client.api.v2010.accounts.list()",
    ],
)
def test_a_permission_about_keys_and_accounts_is_explained_and_never_suggested(text):
    reading = read_paste(text)
    assert (reading.suggestions, reading.offered) == ((), ())
    assert "It is never suggested here" in " ".join(reading.unmapped)
    assert "/twilio/iam/" in " ".join(reading.unmapped)


def test_what_is_certain_is_not_offered_as_well():
    maybe = [Suggestion(LIST, "may be", certain=False), Suggestion(CREATE, "may be", certain=False)]
    findings = Findings().add([*maybe, Suggestion(CREATE, "is")])
    assert list(findings.suggestions) == [CREATE]
    assert [item.permission for item in findings.offered] == [LIST]
    assert Findings().add(maybe)
