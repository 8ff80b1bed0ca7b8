"""A command line that tries a new key out."""

from django.conf import settings

from keys_app.keys.models import ApiKey

API = "https://api.twilio.com/2010-04-01/Accounts/{account}"

# One harmless GET per permission, the most telling first. Paths are from Twilio's API documentation.
TRIES: list[tuple[str, str]] = [
    ("/twilio/messaging/messages/list", API + "/Messages.json?PageSize=1"),
    ("/twilio/voice/calls/list", API + "/Calls.json?PageSize=1"),
    ("/twilio/phone-numbers/active-numbers/list", API + "/IncomingPhoneNumbers.json?PageSize=1"),
    ("/twilio/voice/recordings/list", API + "/Recordings.json?PageSize=1"),
    ("/twilio/voice/conferences/list", API + "/Conferences.json?PageSize=1"),
    ("/twilio/billing/usage/read", API + "/Usage/Records.json?PageSize=1"),
    ("/twilio/messaging/services/list", "https://messaging.twilio.com/v1/Services?PageSize=1"),
    ("/twilio/verify/service/list", "https://verify.twilio.com/v2/Services?PageSize=1"),
    ("/twilio/studio/flows/list", "https://studio.twilio.com/v2/Flows?PageSize=1"),
    ("/twilio/taskrouter/workspaces/list", "https://taskrouter.twilio.com/v1/Workspaces?PageSize=1"),
    ("/twilio/video/rooms/list", "https://video.twilio.com/v1/Rooms?PageSize=1"),
    ("/twilio/lookup/phone-numbers/read", "https://lookups.twilio.com/v2/PhoneNumbers/+15005550006"),
]


def curl_for(key: ApiKey) -> tuple[str, str]:
    """Return a curl line for a key and a note on what to expect.

    The line names shell variables instead of the secret, which would stay in the shell's history.
    """
    curl, note = _try(key)
    if settings.TWILIO_IS_STANDIN:
        note = "This key is from the stand-in: Twilio itself will answer 401, code 20003."
    return curl, f"Load the .env lines first. {note}"


def _try(key: ApiKey) -> tuple[str, str]:
    for permission, url in TRIES:
        if permission in key.policy:
            return _curl(url.format(account=key.account_id)), "Expect status 200."
    note = (
        "This key may not read anything that is quick to try. Code 70051 in the answer means that Twilio knows "
        "the key; code 20003 means that it does not."
    )
    return _curl(API.format(account=key.account_id) + "/Messages.json?PageSize=1"), note


def _curl(url: str) -> str:
    return f'curl -u "$TWILIO_API_KEY:$TWILIO_API_SECRET" "{url}"'
