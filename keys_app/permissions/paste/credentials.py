"""Taking credentials out of pasted text before anything else looks at it.

Better to drop too much than too little: what is dropped is never needed to find a permission. Every pattern
begins at a fixed word or at a boundary and cannot match the same characters in two ways, so that the time it
takes grows with the length of the text and no faster.
"""

import re

DROPPED = "DROPPED"

_LEAST_TO_DROP_EVERYWHERE = 12  # shorter values would take ordinary words out with them
_LEAST_TO_REPORT = 8  # a shorter quoted argument is a region or an option, not a secret
_LONGEST_STAND_IN = 200
_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
_ADDRESS = re.compile(r"https://[\w.-]{1,80}\.twilio\.com(?::\d{1,5})?(?:/[^@]*)?")
_QUOTED = re.compile(r'"[^"\n]*"|\'[^\'\n]*\'|`[^`\n]*`')
_IDENTIFIER = re.compile(r"[A-Za-z_.]+")
# A function that gets or makes one; another name before a parenthesis may be the beginning of a password.
_CALL = re.compile(
    r"(?=[\w.:]{0,60}(?:token|get|make|create|generate|build|load|read|fetch|env|require))[a-z_][\w.:]{0,60}\(",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    r"[$%@]\{?[\w.]+\}?%?|[A-Z]+_[A-Z0-9_]*"  # a variable: $TWILIO_AUTH_TOKEN, ${TOKEN}, %TOKEN%, AUTH_TOKEN
    r"|<[^<>]*>|\{[^{}]*\}|\{\{[^{}]*\}\}|\[[^\[\]]*\]"  # <token>, {token}, {{token}}, [AuthToken]
    r"|(?i:[a-z_ -]*(?:token|secret|password|sid|key|here))|x+|X+|\*+|\.+"  # your_auth_token, xxxx
    r"|(?:os|process|ENV|System|env|config|settings|getenv)\b.*"  # code that fetches it from elsewhere
)

# Each has one group: `pair` (user:password), `value` (a credential for where it stands), `plain` (a value that
# may also be a piece of code) or `looks` (something that looks like a secret).
_PLACES = (
    # -u \"user:password\" in a string
    re.compile(
        r"(?<!\S)(?:--(?:proxy-)?user|--auth|-a|-[a-zA-Z]{0,8}[uU])(?:[ \t]{1,9}|=)\\\"(?P<pair>[^\"\\\n]*)\\\""
    ),
    # curl -u user:password, --user=user:password, HTTPie -a user:password
    re.compile(
        r"(?<!\S)(?:--(?:proxy-)?user|--auth|-a|-[a-zA-Z]{0,8}[uU])(?:[ \t]{1,9}|=)"
        r"(?P<pair>\"[^\"]*\"|'[^']*'|[^\s\"'\\-][^\s\"']*)"
    ),
    # curl -uUSER:PASSWORD
    re.compile(r"(?<!\S)-[a-zA-Z]{0,8}[uU](?P<pair>\"[^\"]*\"|'[^']*'|[^\s:\"']+:\S*)"),
    # "Authorization": "Basic …", and without quotes, where a bracket is one of the code around it
    re.compile(r"authorization[\"'`]?\]?[ \t]{0,9}[:=,]>?[ \t]{0,9}[\"'`](?P<value>[^\r\n\"'`]+)", re.IGNORECASE),
    re.compile(
        r"authorization[\"'`]?\]?[ \t]{0,9}[:=,]>?[ \t]{0,9}"
        r"(?P<value>[^\s\"'`,;(){}\[\]]+(?:[ \t]{1,9}[^\s\"'`,;(){}\[\]]{1,4000}){0,3})",
        re.IGNORECASE,
    ),
    # https://user:password@host
    re.compile(r"://(?P<pair>[^\s/@\"'`]+)@"),
    # SK…:secret anywhere
    re.compile(r"(?<![0-9A-Za-z])(?P<pair>(?:AC|SK)[0-9a-fA-F]{32}:[^\s\"'`@,;)]+)"),
    # TWILIO_AUTH_TOKEN=…; a token that only turns pages is none
    re.compile(r"(?:TOKEN|SECRET|PASSWORD|PASSWD)[A-Z0-9_]{0,30}=(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s,;)}&\"'`]+)"),
    # authToken: "…", auth_token = '…', "secret": "…"
    re.compile(
        r"(?<!page)(?<!page_)(?:token|secret|password|passwd|passphrase)\w{0,30}[\"'`]?\]?"
        r"[ \t]{0,9}(?:=>|:=|[:=](?!=))[ \t]{0,9}(?P<plain>\"[^\"\n]*\"|'[^'\n]*'|`[^`\n]*`|[^\s,;)}&\"'`]+)",
        re.IGNORECASE,
    ),
    # By their looks alone: a JSON web token, an auth token, an API secret (seen: 32 hex, 32 letters and digits)
    re.compile(r"(?<![\w-])(?P<value>eyJ[\w-]{10,}\.[\w.-]+)"),
    re.compile(r"(?:(?<![0-9A-Za-z])|(?<=%3A)|(?<=%3a))(?P<value>[0-9a-fA-F]{32})(?![0-9A-Za-z])"),
    re.compile(r"(?:(?<![0-9A-Za-z])|(?<=%3A)|(?<=%3a))(?P<looks>[0-9A-Za-z]{32})(?![0-9A-Za-z])"),
)

# Client("AC…", "…"), twilio(accountSid, "…"), require("twilio")(…), Twilio.init(…), auth=("AC…", "…")
_CONSTRUCTOR = re.compile(
    r"(?:Client(?:\.new)?|[Tt]wilio|(?<!curl_)[Ii]nit|[Aa]uth(?:[ \t]{0,3}=[ \t]{0,3})?|\([\"']twilio[\"']\))[ \t]{0,5}"
    r"\((?P<arguments>(?:[^()]|\([^()]*\))*)"
)


def drop_credentials(text: str) -> tuple[str, bool]:
    """Return `text` without credentials, and whether there were any.

    A variable or a stand-in, such as `$TWILIO_AUTH_TOKEN` or `your_auth_token`, is taken out too but is not
    reported: nothing was given away. SIDs are not secret and stay.
    """
    dropper = _Dropper()
    text = _CONSTRUCTOR.sub(dropper.take_arguments, text)
    for pattern in _PLACES:
        text = pattern.sub(dropper.take, text)
    for value in sorted(dropper.found, key=len, reverse=True):
        if len(value) >= _LEAST_TO_DROP_EVERYWHERE:
            text = text.replace(value, DROPPED)
    return text, bool(dropper.found)


class _Dropper:
    """Replaces what the patterns find and remembers, for as long as one text is read, what gives something away."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def take(self, match: re.Match[str]) -> str:
        group = match.lastgroup or ""
        value = match.group(group)
        if group == "plain" and _CALL.match(value):
            return match.group()  # `token = AccessToken(…)` is code; what it is called with is looked at by itself
        secret = _secret(group, value.strip("\"'`"))
        if secret is None:
            return match.group()
        if secret and not _harmless(secret):
            self.found.add(secret)
        start, end = match.start(group) - match.start(), match.end(group) - match.start()
        return match.group()[:start] + _in_quotes_of(value) + match.group()[end:]

    def take_arguments(self, match: re.Match[str]) -> str:
        before = match.group()[: match.start("arguments") - match.start()]
        return before + _QUOTED.sub(self.take_argument, match.group("arguments"))

    def take_argument(self, match: re.Match[str]) -> str:
        value = match.group()[1:-1]
        if _SID.fullmatch(value) or value.lower() == "twilio" or _ADDRESS.fullmatch(value):
            return match.group()
        if len(value) >= _LEAST_TO_REPORT and not _harmless(value):
            self.found.add(value)
        return _in_quotes_of(match.group())


def _in_quotes_of(value: str) -> str:
    quote = value[0] if value[0] in "\"'`" else ""
    return quote + DROPPED + quote


def _secret(group: str, value: str) -> str | None:
    """Return the secret part of a value, empty if it has none, or None if the value is to stay."""
    if group == "pair":
        user, _, password = value.partition(":")
        return password or (None if _SID.fullmatch(user) else user)
    if group == "looks":
        mixed = any(map(str.isdigit, value)) and any(map(str.islower, value)) and any(map(str.isupper, value))
        return value if mixed else None
    if group == "plain" and _IDENTIFIER.fullmatch(value):
        return ""  # `token = other_token` is code
    return value


def _harmless(value: str) -> bool:
    return value == DROPPED or (len(value) <= _LONGEST_STAND_IN and bool(_HARMLESS.fullmatch(value)))
