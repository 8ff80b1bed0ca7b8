"""Code that signs Access Tokens is answered with that a restricted key can't, and nothing is ticked for it."""

import pytest

from keys_app.permissions.paste import read_paste
from keys_app.permissions.paste.access_tokens import SENTENCE

SIGNED = [
    "token = AccessToken(account_sid, api_key, api_secret, identity=identity)",
    "from twilio.jwt.access_token import AccessToken",
    "from twilio.jwt.access_token.grants import VoiceGrant",
    "token.add_grant(VideoGrant(room='daily'))",
    "const AccessToken = require('twilio').jwt.AccessToken;\nconst VoiceGrant = AccessToken.VoiceGrant;",
    "const token = new AccessToken(accountSid, apiKey, apiSecret, { identity });",
    "new twilio.jwt.AccessToken(accountSid, apiKey, apiSecret)",
    "AccessToken token = new AccessToken.Builder(ACCOUNT_SID, API_KEY, API_SECRET).identity(i).grant(grant).build();",
    "using Twilio.Jwt.AccessToken;\nvar token = new Token(accountSid, apiKey, apiSecret, identity, grants: grants);",
    "var grant = new ChatGrant { ServiceSid = serviceSid };",
    "use Twilio\\Jwt\\AccessToken;\n$token = new AccessToken($sid, $key, $secret, 3600, $identity);",
    "token = Twilio::JWT::AccessToken.new(account_sid, api_key, api_secret, [grant], identity: identity)",
    "params := jwt.AccessTokenParams{AccountSid: sid, SigningKeySid: key, Secret: secret}",
    "jwtToken := jwt.CreateAccessToken(params)",
    "twilio token:voice --identity=alice",
]
OTHER = [
    "client.verify.v2.services('VA1').access_tokens.create(identity='x')",
    "POST https://verify.twilio.com/v2/Services/VA1/AccessTokens",
    "const { accessToken } = await oauth.getAccessToken(code)",
    "string AccessToken = response.AccessToken;",
]


@pytest.mark.parametrize("text", SIGNED)
def test_it_is_said_and_nothing_is_ticked(text):
    reading = read_paste(text)
    assert SENTENCE in reading.unmapped
    assert (reading.suggestions, reading.offered) == ((), ())


@pytest.mark.parametrize("text", OTHER)
def test_other_tokens_are_not_taken_for_it(text):
    assert SENTENCE not in read_paste(text).unmapped


@pytest.mark.parametrize("text", SIGNED[:10])
@pytest.mark.parametrize(
    "call",
    [
        "client.calls.list(limit=20)",
        "curl https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json",
        "GET https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json",
    ],
)
def test_another_call_in_the_same_paste_is_read_as_well(text, call):
    for pasted in (f"{text}\n{call}\n", f"{call}\n{text}\n"):
        reading = read_paste(pasted)
        assert SENTENCE in reading.unmapped
        assert [item.permission for item in reading.suggestions] == ["/twilio/voice/calls/list"]


def test_its_secret_is_dropped():
    reading = read_paste("AccessToken('AC" + "0" * 32 + "', 'SK" + "1" * 32 + "', 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF')")
    assert reading.credentials_dropped
    assert "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF" not in repr(reading)


@pytest.mark.parametrize("text", SIGNED)
def test_code_without_a_credential_is_not_said_to_hold_one(text):
    assert not read_paste(text).credentials_dropped


@pytest.mark.parametrize("text", ["token = get_token('aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF')", "secret=hunter2(x"])
def test_a_credential_in_brackets_is(text):
    assert read_paste(text).credentials_dropped
