"""What people have at hand becomes exactly the permissions it needs, or a sentence that says why not."""

import importlib
import inspect
import pkgutil
import re
import sys
from re import _constants as regex_words
from re import _parser as regex_parser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.http import HttpClient
from twilio.rest import Client

from keys_app.permissions import paste
from keys_app.permissions.catalogue import catalogue
from keys_app.permissions.paste import MAX_PASTE, credentials, endpoints, read_paste
from keys_app.twilio_errors import recognize

AC = "AC" + "0123456789abcdef" * 2
SID = "XX" + "fedcba9876543210" * 2
API = f"https://api.twilio.com/2010-04-01/Accounts/{AC}"
TOKEN = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
SECRET = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF"

# What is pasted, and the permissions it needs without "/twilio/", in order.
MAPPED = [
    # curl
    (f"curl -X POST {API}/Messages.json --data-urlencode Body=Hi -u $SID:$TOKEN", ["messaging/messages/create"]),
    (f"curl '{API}/Messages.json?PageSize=20' -u \"$SID:$TOKEN\"", ["messaging/messages/list"]),
    (f"curl -G {API}/Messages.json --data-urlencode 'To=+15550001'", ["messaging/messages/list"]),
    (f'curl -X GET "{API}/Messages/{SID}.json" \\\n-u $A:$B', ["messaging/messages/read"]),
    (f"$ curl -sSXDELETE {API}/Messages/{SID}.json", ["messaging/messages/delete"]),
    (f"curl -XPOST {API}/Messages/{SID}.json -d Body=", ["messaging/messages/update"]),
    (f"curl --request POST --url {API}/Calls.json --data 'Url=https://example.com/x;y'", ["voice/calls/create"]),
    (f"curl -d Status=completed {API}/Calls/{SID}.json", ["voice/calls/update"]),
    (f"curl.exe -F Body=Hi ^\r\n {API}/Messages.json", ["messaging/messages/create"]),
    (f"curl -I {API}/Recordings/{SID}", ["voice/recordings/read"]),
    (f"curl -L -o out.mp3 {API}/Recordings/{SID}.mp3", ["voice/recordings/read"]),
    (f"curl {API}/Messages/{SID}/Media/{SID} -u a:b", ["messaging/messages.media/read"]),
    (
        "curl -X POST https://verify.twilio.com/v2/Services/$SERVICE/VerificationCheck \\\n"
        "  --data-urlencode \"To=+15550001\" \\\n  --data-urlencode 'Code=123456' \\\n  -u $SID:$TOKEN",
        ["verify/verification-check/create"],
    ),
    (
        f"curl {API}/Calls.json; curl -d x=1 {API}/Queues.json && echo done | cat",
        ["voice/calls/list", "voice/queues/create"],
    ),
    (f"curl {API}/Calls.json --next -d x=1 {API}/Calls.json", ["voice/calls/list", "voice/calls/create"]),
    (f"I don't know why, but\ncurl {API}/Calls.json\nfails", ["voice/calls/list"]),
    ("curl --json '{\"a\": 1}' https://content.twilio.com/v1/Content", ["messaging/content-templates/create"]),
    ("curl api.twilio.com/2010-04-01/Accounts/$SID/Calls.json", ["voice/calls/list"]),
    # method and URL, URL alone, raw HTTP, HTTP libraries
    (f"POST {API}/Messages.json", ["messaging/messages/create"]),
    (f"GET {API}/Messages/{SID}.json", ["messaging/messages/read"]),
    (f"DELETE {API}/Recordings/{SID}.json", ["voice/recordings/delete"]),
    (f"GET /2010-04-01/Accounts/{AC}/Usage/Records.json", ["billing/usage/read"]),
    (f"GET {API}/Usage/Records/Daily.json?Category=sms", ["billing/usage/read"]),
    ("GET https://lookups.twilio.com/v2/PhoneNumbers/+15550001?Fields=line_type", ["lookup/phone-numbers/read"]),
    ("GET https://verify.twilio.com/v2/Attempts/Summary", ["verify/verification-attempts-summary/read"]),
    ("GET https://verify.twilio.com/v2/Attempts/{sid}", ["verify/verification-attempt/read"]),
    ("POST /v2/Services/{ServiceSid}/Verifications HTTP/1.1\nHost: verify.twilio.com", ["verify/verification/create"]),
    ("POST https://studio.twilio.com/v2/Flows/FWxx/Executions", ["studio/executions/create"]),
    ("POST https://studio.twilio.com/v2/Flows/Validate", ["studio/flows.validate/update"]),
    ("GET https://taskrouter.twilio.com/v1/Workspaces/WSxx/Workers", ["taskrouter/workspaces.workers/list"]),
    ("GET https://video.twilio.com/v1/Rooms/daily-standup", ["video/rooms/read"]),
    ("GET https://monitor.twilio.com/v1/Alerts", ["monitor/alerts/list"]),
    ("GET https://api.ashburn.us1.twilio.com/2010-04-01/Accounts/{}/Calls.json", ["voice/calls/list"]),
    ("GET https://messaging.twilio.com:443/v1/Services", ["messaging/services/list"]),
    ("GET monitor.twilio.com/v1/Events/{EventSid}", ["monitor/events/read"]),
    (f'requests.post("{API}/Calls.json", data=data)', ["voice/calls/create"]),
    (f'await fetch("{API}/Calls.json", {{\n  method: "POST", body }})', ["voice/calls/create"]),
    (f"See (GET {API}/Calls.json).", ["voice/calls/list"]),
    # Python
    ('client.messages.create(to="+1555", body="Hi (you)")', ["messaging/messages/create"]),
    ('message = client.messages("SM123").fetch()', ["messaging/messages/read"]),
    ('client.messages("SM123").update(body="")', ["messaging/messages/update"]),
    ('client.messages("SM123").delete()', ["messaging/messages/delete"]),
    ("for call in client.calls.list(limit=20):", ["voice/calls/list"]),
    ("client.calls.stream()", ["voice/calls/list"]),
    ("client.calls(sid).recordings.list()", ["voice/calls.recordings/list"]),
    ("client.verify.v2.services(sid).verifications.create(to=to, channel='sms')", ["verify/verification/create"]),
    ("client.verify.services(sid).verification_checks.create(to=to)", ["verify/verification-check/create"]),
    ("client.studio.v2.flows('FW').executions.create(to='+1')", ["studio/executions/create"]),
    ("client.lookups.v2.phone_numbers('+1').fetch(fields='x')", ["lookup/phone-numbers/read"]),
    ("client.api.v2010.accounts(AC).usage.records.list()", ["billing/usage/read"]),
    ("client.api.account.usage.records.this_month.list()", ["billing/usage/read"]),
    ("(client.messages\n    .create(to=to))", ["messaging/messages/create"]),
    ("client.messages \\\n    .create(to=to)", ["messaging/messages/create"]),
    ("self.client.incoming_phone_numbers.create(phone_number=n)", ["phone-numbers/active-numbers/create"]),
    ("client.available_phone_numbers('US').toll_free.list()", ["phone-numbers/available-numbers/list"]),
    ("await client.messages.create_async(to=to)", ["messaging/messages/create"]),
    ("client.verify.v2.verification_attempts_summary().fetch()", ["verify/verification-attempts-summary/read"]),
    ("Client(sid, token).conferences(sid).participants(label).delete()", ["voice/conferences.participants/delete"]),
    ("client.calls(client.messages.list()[0].sid).fetch()", ["voice/calls/read", "messaging/messages/list"]),
    # Node, and others of the same form
    ("client.messages.create({body: 'Hi', to}).then(m => console.log(m.sid));", ["messaging/messages/create"]),
    ("await client.messages('SM1').remove();", ["messaging/messages/delete"]),
    (
        "client.verify.v2.services(sid)\n      .verificationChecks\n      .create({to})",
        ["verify/verification-check/create"],
    ),
    ("twilioClient.outgoingCallerIds.each(c => c)", ["voice/outgoing-caller-ids/list"]),
    ("client.validationRequests.create({})", ["voice/outgoing-caller-ids/create"]),
    ("require('twilio')(sid, token).calls.create({})", ["voice/calls/create"]),
    ("client.taskrouter.v1.workspaces(w).tasks(t).update({})", ["taskrouter/workspaces.tasks/update"]),
    ('$twilio->messages->create("+1", [])', ["messaging/messages/create"]),
    # errors and names
    (
        '{"code": 70051, "message": "Authorization Error: '
        'required permission twilio/messaging/messages/list is missing", '
        '"more_info": "https://www.twilio.com/docs/errors/70051", "status": 401}',
        ["messaging/messages/list"],
    ),
    (
        "TwilioRestException: HTTP 401 error: Unable to create record: Authorization Error: "
        "required permission 'twilio/voice/calls/create' is missing\n"
        "Error: Authorization Error: required permission /twilio/voice/calls/read is missing",
        ["voice/calls/create", "voice/calls/read"],
    ),
    ('{"allow":["/twilio/voice/calls/read"]}', ["voice/calls/read"]),
]

# What is pasted, and what is said about it. Nothing is suggested for any of it.
UNMAPPED = [
    ("curl -d x=1 https://example.com/v1/Messages", "example.com is not a Twilio API"),
    ("https://api.twilio.com.example.com/2010-04-01/Accounts/x/Calls.json", "is not a Twilio API"),
    ("https://eviltwilio.com/v1/Services", "is not a Twilio API"),
    ("https://handler.twilio.com/twiml/EH123", "serves TwiML to Twilio itself"),
    ("https://www.twilio.com/docs/messaging", "is a web page"),
    (f"POST {API}/Keys.json", "A key that makes keys can do everything"),
    (f"GET {API}/SigningKeys/{SID}.json", "A key that makes keys can do everything"),
    ("POST https://iam.twilio.com/v1/Keys", "A key that makes keys can do everything"),
    ("client.keys.list()", "A key that makes keys can do everything"),
    ("client.new_keys.create()", "A key that makes keys can do everything"),
    ("client.iam.v1.keys(sid).delete()", "A key that makes keys can do everything"),
    ("POST https://accounts.twilio.com/v1/AuthTokens/Promote", "auth token"),
    (
        "curl -d FriendlyName=x https://api.twilio.com/2010-04-01/Accounts.json",
        "creates accounts and subaccounts, and the catalogue has no permission for that",
    ),
    (
        f"{API}/Messages/{SID}/Media.json",
        "lists media files attached to a message, and the catalogue has no permission for that",
    ),
    (f"PUT {API}/Messages/{SID}.json", "not an operation that is known"),
    (f"curl -T file {API}/Messages.json", "not an operation that is known"),
    (f"{API}/Balance.json", "/2010-04-01/Accounts/{}/Balance.json is not known"),
    (f"{API}/messages.json", "is not known"),
    ("https://messaging.twilio.com/v1/Services/Usecases", "is not known"),
    ("https://verify.twilio.com/v1/Services", "is not known"),
    ("https://conversations.twilio.com/v1/Conversations", "not in this catalogue yet"),
    ("https://api.dublin.ie1.twilio.com/2010-04-01/Accounts/x/Calls.json", "US region only"),
    ('curl "$BASE_URL/Calls.json"', "no host that can be read"),
    ("POST /v2/Services/x/Verifications", "no host that can be read"),
    ("client.conversations.v1.conversations.create()", "not in this catalogue yet"),
    ("client.messages('SM1').frobnicate.create()", "is not known"),
    ("service = client.verify.v2.services(sid)", "ends without an operation"),
    ("client.video.v1.rooms(sid).delete()", "is not an operation that is known"),
    ("assertion '/twilio/messaging/message/read' is invalid", "Nearest: /twilio/messaging/messages/read"),
    ('{"code": 70002, "message": "assertion \'/twilio/x/y\' is invalid"}', "does not accept the spelling /twilio/x/y"),
    ("required permission twilio/new-product/things/read is missing", "which is not in the catalogue. Nearest:"),
    ("Error 70051", "Five causes: (1) the account does not exist"),
    ("HTTP 401, code 20003: Authenticate", "refused the credential itself"),
    ("/twilio/voice/callz/read", "not in the catalogue. Nearest: /twilio/voice/calls/read"),
]


@pytest.mark.parametrize(("text", "expected"), MAPPED, ids=[case[0][:60] for case in MAPPED])
def test_it_is_read_as_exactly_these_permissions(text, expected):
    reading = read_paste(text)
    assert [item.permission.removeprefix("/twilio/") for item in reading.suggestions] == expected
    assert reading.unmapped == ()
    assert all(item.permission in catalogue() and item.why for item in reading.suggestions)


@pytest.mark.parametrize(("text", "said"), UNMAPPED, ids=[case[0][:60] for case in UNMAPPED])
def test_it_is_not_guessed_but_said(text, said):
    reading = read_paste(text)
    assert reading.suggestions == ()
    assert said in " ".join(reading.unmapped)
    assert reading.message == "No permission was found."


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        (f"{API}/Messages/{SID}.json", ["messages/read", "messages/update", "messages/delete"]),
        (f"See ({API}/Messages.json).", ["messages/list", "messages/create"]),
        ("messaging.twilio.com:443/v1/Services/", ["services/list", "services/create"]),
    ],
)
def test_what_an_address_alone_allows_is_offered_without_a_tick(text, offered):
    reading = read_paste(text)
    assert reading.suggestions == ()
    assert [item.permission.removeprefix("/twilio/messaging/") for item in reading.offered] == offered
    assert reading.message == "No permission is certain. Others are possible; tick what you need."
    assert "is not in what you pasted, so nothing is ticked for it" in " ".join(reading.unmapped)


def test_the_tables_are_large_enough():
    assert len(MAPPED) >= 45
    assert len(UNMAPPED) >= 12


@pytest.mark.parametrize(
    "text",
    ["", "hello", "client", "twilio", "curl", "curl is a tool", "from twilio.rest import Client", "s3_client.create()",
     "client = Client(a, b)", "client.http_client.request()", "POST", "/twilio", "\x00" * 50, "\ud800"],
)  # fmt: skip
def test_what_says_nothing_about_twilio_is_nothing(text):
    reading = read_paste(text)
    assert (reading.kind, reading.suggestions, reading.unmapped) == ("nothing", (), ())
    assert "Nothing in it was recognized" in reading.message
    assert not reading.credentials_dropped


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"curl {API}/Calls.json", "curl"),
        (f"GET {API}/Calls.json", "url"),
        ("client.calls.list()", "sdk"),
        ("required permission twilio/voice/calls/list is missing", "error"),
        ("/twilio/voice/calls/list", "permissions"),
        (f"curl {API}/Calls.json\nrequired permission twilio/voice/calls/list is missing", "error"),
    ],
)
def test_it_says_what_it_was_taken_for(text, kind):
    reading = read_paste(text)
    assert reading.kind == kind
    assert [item.permission for item in reading.suggestions] == ["/twilio/voice/calls/list"]
    assert reading.message == "1 permission was found."


def test_why_names_the_operation():
    (item,) = read_paste(f"GET {API}/Messages.json").suggestions
    assert item.why == "GET /2010-04-01/Accounts/{}/Messages.json lists inbound and outbound messages"
    (item,) = read_paste("client.studio.v2.flows(sid).fetch()").suggestions
    assert item.why == "GET studio.twilio.com/v2/Flows/{} reads Studio flows"


def test_several_are_all_read_and_each_is_suggested_once():
    text = f"client.calls.list()\nclient.calls.list()\nclient.calls(sid).fetch()\nclient.frobs.list()\n# {API}"
    reading = read_paste(text)
    assert len(reading.suggestions) == 2
    assert len(reading.unmapped) == 1
    assert reading.message == "2 permissions were found."


def test_a_wildcard_is_spelled_out():
    assert len(read_paste("/twilio/voice/calls/*").suggestions) == 5


def test_many_unknown_addresses_are_counted():
    reading = read_paste("\n".join(f"https://host{number}.example.com/" for number in range(50)))
    assert len(reading.unmapped) == 21
    assert reading.unmapped[-1] == "30 more could not be mapped."


@pytest.mark.parametrize("length", [MAX_PASTE + 1, 10_000_000])
def test_too_long_a_text_is_not_read(length):
    reading = read_paste(f"curl {API}/Calls.json ".ljust(length))
    assert reading == type(reading)("nothing", (), (), False, "This is too long. At most 20,000 characters are read.")


def test_only_what_its_catalogue_holds_is_suggested():
    class Empty:
        products = ()

        def __contains__(self, name):
            return False

        def nearest(self, name, count=3):
            return []

    for text, _ in MAPPED:
        assert read_paste(text, Empty()).suggestions == ()


CREDENTIALS = [
    f"curl {API}/Calls.json -u {AC}:{{}}",
    f"curl {API}/Calls.json -u '{AC}:{{}}'",
    f'curl -u "SK{SID[2:]}:{{}}" {API}/Calls.json',
    f"curl {API}/Calls.json -u{AC}:{{}}",
    f"curl {API}/Calls.json -su {AC}:{{}}",
    f"curl {API}/Calls.json --user={AC}:{{}}",
    f"curl {API}/Calls.json --user {AC}:{{}}",
    f"curl {API}/Calls.json -H 'Authorization: Basic {{}}'",
    f'curl {API}/Calls.json -H "authorization:Bearer {{}}"',
    f"GET /2010-04-01/Accounts/{AC}/Calls.json HTTP/1.1\nAuthorization: Basic {{}}\n",
    f"fetch('{API}/Calls.json', {{headers: {{'Authorization': 'Basic {{}}'}}}})",
    f"GET https://{AC}:{{}}@api.twilio.com/2010-04-01/Accounts/{AC}/Calls.json",
    f"GET https://{{}}@api.twilio.com/2010-04-01/Accounts/{AC}/Calls.json",
    f'client = Client("{AC}", "{{}}")\nclient.calls.list()',
    f"client = Client('{AC}', '{{}}')\nclient.calls.list()",
    'client = Client(os.environ["SID"], "{}")\nclient.calls.list()',
    'client = Client(username="x", password="{}")\nclient.calls.list()',
    "const client = twilio(accountSid, '{}');\nclient.calls.list()",
    f"require('twilio')('{AC}', '{{}}').calls.list()",
    "const client = new Twilio(accountSid, `{}`); client.calls.list()",
    "TWILIO_AUTH_TOKEN={}\nclient.calls.list()",
    "export TWILIO_AUTH_TOKEN='{}'\nclient.calls.list()",
    "TWILIO_API_KEY_SECRET={}\nclient.calls.list()",
    'auth_token = "{}"\nclient.calls.list()',
    "const authToken = '{}';\nclient.calls.list()",
    '{{"sid": "SK1", "secret": "{}"}}\nclient.calls.list()',
    f"requests.get('{API}/Calls.json', auth=('{AC}', '{{}}'))",
    f"http -a {AC}:{{}} GET {API}/Calls.json",
    f"GET {API}/Calls.json?AuthToken={{}}",
    "client.calls.list()  # {}",
]
PHRASE = "correct-horse7battery"  # nothing in its looks gives it away


def filled(template, secret):
    return (
        template.replace("{{", "{").replace("}}", "}").replace("{}", secret)
        if "{{" in template
        else template.replace("{}", secret)
    )


@pytest.mark.parametrize(
    ("template", "secret"),
    [(template, secret) for template in CREDENTIALS for secret in (TOKEN, SECRET, PHRASE)][:-1],
)
def test_credentials_are_dropped_and_said(template, secret):
    reading = read_paste(filled(template, secret))
    assert secret not in repr(reading)
    assert reading.credentials_dropped
    assert reading.message.startswith("Credentials were in what you pasted. They were dropped and not stored;")
    assert [item.permission for item in reading.suggestions] == ["/twilio/voice/calls/list"]


@given(
    st.sampled_from(CREDENTIALS[:-1]),
    st.text(
        alphabet=st.characters(min_codepoint=48, max_codepoint=122, categories=["Lu", "Ll", "Nd"]),
        min_size=16,
        max_size=60,
    ),
)
def test_no_secret_of_any_form_gets_out(template, secret):
    reading = read_paste(filled(template, secret))
    assert secret not in repr(reading)


@given(st.sampled_from([TOKEN, SECRET]), st.text(max_size=80), st.text(max_size=80))
def test_a_secret_in_any_surroundings_does_not_get_out(secret, before, after):
    assert secret not in repr(read_paste(f"{before} {secret} {after}"))
    assert secret not in repr(read_paste(f"{before}\n-u {AC}:{secret}\n{after}"))
    assert secret not in repr(read_paste(f"curl https://api.twilio.com/{secret}/{before}{after}"))
    assert secret not in repr(read_paste(f"https://{secret}.example.com/{secret}?{secret} client.{secret}.create()"))


@pytest.mark.parametrize(
    "text",
    [
        f'curl {API}/Calls.json -u "$TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN"',
        f"curl {API}/Calls.json -u $TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN",
        f"curl {API}/Calls.json -u ${{SID}}:${{TOKEN}}",
        f"curl {API}/Calls.json -u {AC}:your_auth_token",
        f"curl {API}/Calls.json -u '{AC}:[AuthToken]'",
        f"curl {API}/Calls.json -u <AccountSid>:<AuthToken>",
        f"curl {API}/Calls.json -H 'Authorization: $TOKEN'",
        'account_sid = os.environ["TWILIO_ACCOUNT_SID"]\nauth_token = os.environ["TWILIO_AUTH_TOKEN"]\n'
        "client = Client(account_sid, auth_token)\nclient.calls.list()",
        "const authToken = process.env.TWILIO_AUTH_TOKEN;\nconst client = twilio(accountSid, authToken);\n"
        "client.calls.list()",
        f"GET {API}/Calls.json?PageToken=PACA1234567890abcdef",
        f"client = Client('{AC}', 'your_auth_token')\nclient.calls.list()",
    ],
)
def test_variables_and_stand_ins_are_no_credentials(text):
    reading = read_paste(text)
    assert not reading.credentials_dropped
    assert [item.permission for item in reading.suggestions] == ["/twilio/voice/calls/list"]
    assert reading.message == "1 permission was found."


def test_credentials_alone_are_dropped_and_said():
    reading = read_paste(f"{AC}\n{TOKEN}")
    assert (reading.kind, reading.credentials_dropped) == ("nothing", True)
    assert reading.message.startswith("Credentials were in")


def test_a_secret_that_stands_elsewhere_too_is_dropped_there():
    word = "correcthorsebatterystaple"
    reading = read_paste(f"curl -u {AC}:{word} https://{word}.com/{word}\ncurl {API}/{word}")
    assert reading.credentials_dropped
    assert word not in repr(reading).lower()


def read_without_an_error(text):
    reading = read_paste(text)
    assert bool(reading.suggestions or reading.offered or reading.unmapped) == (reading.kind != "nothing")


@given(st.text(max_size=400))
def test_any_text_is_read_without_an_error(text):
    read_without_an_error(text)


PARTS = [
    "curl ",
    "client",
    ".",
    "(",
    ")",
    '"',
    "'",
    "\\",
    "-u",
    " ",
    "x",
    ":",
    "https://",
    "api.twilio.com",
    "/",
    "messages",
    "create",
    "twilio",
    "required permission",
    "missing",
    "POST ",
    "{",
    "token",
    "=",
]


@given(st.lists(st.sampled_from([*PARTS, "\n"]), max_size=40))
def test_any_pieces_are_read_without_an_error(pieces):
    read_without_an_error("".join(pieces))


PIECES = [
    "client.",
    "client(",
    "twilio(",
    "Client('",
    "curl ",
    "curl '",
    "curl -d ",
    "https://",
    "https://x.twilio.com/",
    "a.",
    "POST ",
    "POST /",
    "required permission ",
    "assertion '/twilio/",
    "/twilio/a/b/c ",
    "token",
    "token=",
    "token='",
    "-u ",
    "-u a:",
    "(",
    "[{",
    '"',
    "'",
    "`",
    "\\",
    "\\\n",
    " ",
    "\n",
    "authorization: ",
    "fetch('https://x",
    "aB3",
    "twilio.com",
    "{}",
    "://a@",
    "eyJ",
    ".-",
    "client.messages.",
    "client.calls(client.",
    "https://a/ ",
    "SK",
    "init((",
    "Host:",
    "error ",
    "code=",
    "[31m",
    "&quot;",
    "required permission ",
    "Authorization Error: ",
    "20003: ",
    "\\u0022",
    "/*",
    "fetch(",
    "fetch('https://api.twilio.com/2010-04-01/Accounts/A/Calls.json')\n",
    "requests.post(",
    "a=",
    "a = a +\n",
    "x=y\n",
    "url = (",
    "x.y(",
    "a.b(c).",
    "$x = '",
    "${",
    "{{",
    "new ",
    "def f(",
    "def f(a):\n",
    "for x ",
    "Request Method: POST\n",
    "method=POST url=https://api.twilio.com/x ",
    "POST /2010-04-01/ ",
    "POST {{a}}/",
    "- url: https://x\n",
    " a:\n",
    '{"url":',
    '["a",',
    "# ",
    "// ",
    "<a",
    "%s",
    ".get(",
    '"""',
    "if (x) {",
    "new Request.Builder().url(",
    "curl_setopt($c, CURLOPT_POST, 1);",
    'curl -X "$',
    '"curl https://a/" ',
    "\x1b[31m",
    "http ",
]


def lines_run(text):
    """Return how many lines of Python run to read `text`."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read_paste(text)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("piece", PIECES)
def test_the_work_grows_no_faster_than_the_text(piece):
    read_paste(piece)
    short, long = (lines_run((piece * size)[:size]) for size in (2_000, 8_000))
    assert long < 5 * short + 5_000
    read_paste((piece * MAX_PASTE)[:MAX_PASTE])


@pytest.mark.parametrize(
    "form", ["/twilio/a/b/c{}", "required permission twilio/a/b/c{} missing", "assertion '/twilio/a/b{}' is invalid"]
)
def test_few_names_are_compared_with_the_catalogue(form):
    class Counting:
        products = ()
        compared = 0

        def __contains__(self, name):
            return False

        def nearest(self, name, count=3):
            self.compared += 1
            return ["/twilio/x/y/read"]

    known = Counting()
    reading = read_paste(
        "\n".join(form.format("x" * (number % 7) + f"y{number}") for number in range(400))[:MAX_PASTE], known
    )
    assert known.compared == 10
    assert "more could not be mapped" in reading.unmapped[-1]


def patterns():
    modules = [importlib.import_module(f"{paste.__name__}.{one.name}") for one in pkgutil.iter_modules(paste.__path__)]
    for module in (recognize, paste, *modules):
        for name, value in vars(module).items():
            for item in value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,):
                if isinstance(item, re.Pattern):
                    yield pytest.param(item, id=f"{module.__name__}.{name}")


def unbounded_inside(tree, inside=False):
    """Tell whether a repetition without an end stands inside another one."""
    for word, arguments in tree:
        endless = word in (regex_words.MAX_REPEAT, regex_words.MIN_REPEAT) and arguments[1] is regex_words.MAXREPEAT
        if endless and inside:
            return True
        parts = arguments if isinstance(arguments, (tuple, list)) else [arguments]
        flat = [inner for part in parts for inner in (part if isinstance(part, list) else [part])]
        if any(
            isinstance(part, regex_parser.SubPattern) and unbounded_inside(part, inside or endless) for part in flat
        ):
            return True
    return False


@pytest.mark.parametrize("pattern", list(patterns()))
def test_no_pattern_repeats_a_repetition(pattern):
    if pattern is credentials._CONSTRUCTOR:
        assert unbounded_inside(regex_parser.parse(pattern.pattern, pattern.flags))
        return  # its inner repetition begins with a parenthesis, which the outer one does not take
    assert not unbounded_inside(regex_parser.parse(pattern.pattern, pattern.flags))


class Sent(Exception):
    """Raised in place of sending a request."""


class Body:
    def to_dict(self):
        return {}


class Recorder(HttpClient):
    """Stands in for the SDK's HTTP client: notes the request and sends nothing."""

    def __init__(self):
        self.seen = None

    def request(self, method, url, *arguments, **options):
        self.seen = (method, url)
        raise Sent


def sdk_request(endpoint, method):
    """Return method and URL that the official SDK sends for the chain of names of `endpoint`."""
    recorder = Recorder()
    here = Client(AC, TOKEN, http_client=recorder)
    if endpoint.host == "api":
        here = here.api.v2010 if endpoint.names[0].startswith("accounts") else here.api.v2010.account
    else:
        here = getattr(getattr(here, endpoint.host), endpoint.path.split("/")[1])
    for name in endpoint.names:
        bare = name.removesuffix("()")
        here = getattr(here, next(own for own in dir(here) if own[0] != "_" and endpoints.sdk_name(own) == bare))
        if name.endswith("()") and callable(here):
            here = here("X1") if inspect.signature(here.__call__).parameters else here()
    verbs = {"GET": ["list", "fetch"], "POST": ["create", "update"], "DELETE": ["delete"]}[method]
    if not any(hasattr(here, verb) for verb in verbs):
        here = here()
    operation = next(getattr(here, verb) for verb in verbs if hasattr(here, verb))
    values = inspect.signature(operation).parameters.values()
    needed = [item for item in values if item.default is item.empty or "Request" in str(item.annotation)]
    with pytest.raises(Sent):
        operation(**{item.name: Body() if "Request" in str(item.annotation) else "x" for item in needed})
    return recorder.seen


# The SDK has these under another name: validation_requests and new_factors.
ELSEWHERE = {("POST", ("outgoingcallerids",)), ("POST", ("services()", "entities()", "factors"))}
OPERATIONS = [
    pytest.param(endpoint, method, id=f"{method} {endpoint.shown} {endpoint.names[-1]}")
    for endpoint in endpoints._endpoints()
    for method in endpoint.methods
    if not endpoint.note and (method, endpoint.names) not in ELSEWHERE
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("endpoint", "method"), OPERATIONS)
def test_the_official_sdk_sends_the_same_request(endpoint, method):
    """Each row holds against the SDK itself. How its code is read: `test_sdk_calls.py`."""
    sent_method, url = sdk_request(endpoint, method)
    host, _, path = url.removeprefix("https://").partition("/")
    pattern = re.escape(endpoint.path).replace(re.escape("{}"), "[^/]+")
    assert sent_method == method
    assert host == f"{endpoint.host}.twilio.com"
    assert re.fullmatch(pattern, "/" + path)
    by_url = read_paste(f"{method} {url}")
    assert by_url.kind == "url"
    expected = f"/twilio/{endpoint.resource}/{endpoint.methods[method]}"
    suggested = expected in catalogue() and not expected.startswith("/twilio/iam/")
    assert [item.permission for item in by_url.suggestions] == ([expected] if suggested else [])


def test_every_resource_of_the_table_is_in_the_catalogue_and_enough_operations_map():
    resources = {f"{product.name}/{item.name}" for product in catalogue().products for item in product.resources}
    assert {row.resource for row in endpoints._endpoints() if not row.note} <= resources
    assert len(OPERATIONS) > 250
