"""What the dialog of a new key offers to paste elsewhere. Nothing here holds the secret: the page fills it in."""

from dataclasses import dataclass

from django.conf import settings

from keys_app.core.http.simulator import EndpointKind, endpoint_at
from keys_app.keys.models import ApiKey
from keys_app.permissions.paste.endpoints import Endpoint, endpoints_of

ACCOUNT_PATH = "/2010-04-01/Accounts/{}"

# The most telling first: one harmless GET each. Others follow in the order of the policy.
TELLING = (
    "/twilio/messaging/messages/list",
    "/twilio/voice/calls/list",
    "/twilio/phone-numbers/active-numbers/list",
    "/twilio/voice/recordings/list",
    "/twilio/voice/conferences/list",
    "/twilio/billing/usage/read",
    "/twilio/messaging/services/list",
)
LOOKUP = ("/twilio/lookup/phone-numbers/read", "https://lookups.twilio.com/v2/PhoneNumbers/+15005550006")
DEFAULT_SERVICE = "twilio_api_v2010"


@dataclass(frozen=True, slots=True)
class Snippets:
    """A request that tries the key out, as an address and with shell variables for curl; and what to expect of it.

    `services` are the APIs to load into Twilio's MCP server for what the key may do; empty where those it loads by
    itself are enough.
    """

    url: str
    curl: str
    note: str
    services: str


def snippets_for(key: ApiKey) -> Snippets:
    """Return what can be pasted elsewhere to use a key.

    The curl line names shell variables instead of the secret, which would stay in the shell's history.
    """
    url, note = _try(key)
    if endpoint_at(settings.TWILIO_IAM_BASE_URL) is EndpointKind.SIMULATOR:
        note = "This key is from the simulator: Twilio itself will answer 401, code 20003."
    return Snippets(url, f'curl -u "$TWILIO_API_KEY:$TWILIO_API_SECRET" "{url}"', note, _services(key))


def _try(key: ApiKey) -> tuple[str, str]:
    account = ACCOUNT_PATH.format(key.account_id)
    allowed = [name for name in TELLING if name in key.policy]
    for permission in (*allowed, *(name for name in key.policy if name.endswith("/list"))):
        for endpoint in endpoints_of(permission):
            path = endpoint.path.replace(ACCOUNT_PATH, account)
            if "{}" not in path and endpoint.methods.get("GET"):
                return f"https://{endpoint.host}.twilio.com{path}?PageSize=1", "Expect status 200."
    if LOOKUP[0] in key.policy:
        return LOOKUP[1], "Expect status 200."
    note = (
        "This key may not read anything that is quick to try. Code 70051 in the answer means that Twilio knows "
        "the key; code 20003 means that it does not."
    )
    return f"https://api.twilio.com{account}/Messages.json?PageSize=1", note


def _services(key: ApiKey) -> str:
    """Return the names that Twilio's MCP server has for the APIs of a key's permissions, in the newest version each.

    They are the file names of Twilio's OpenAPI files (README of @twilio-alpha/mcp, 0.7: `--services`).
    """
    names = {_service(rows) for permission in key.policy if (rows := endpoints_of(permission))}
    return "" if names <= {DEFAULT_SERVICE} else ",".join(sorted(names))


def _service(rows: tuple[Endpoint, ...]) -> str:
    newest = max(rows, key=lambda row: (row.host == "api", row.path))
    version = newest.path.split("/", maxsplit=2)[1]
    return DEFAULT_SERVICE if newest.host == "api" else f"twilio_{newest.host}_{version}"
