"""Reading code that signs Access Tokens, which no restricted key can do."""

import re
from collections.abc import Iterator

# The class in Python, Node, Java, C#, PHP, Ruby and Go, its grants, and the CLI's plugin for tokens.
_SIGNED = re.compile(
    r"(?<![\w-])(?:"
    r"(?:new[ \t]{1,5})?AccessToken(?:\.Builder|\.new)?[ \t]{0,5}\("
    r"|(?:[Jj]wt|JWT)(?:\.|\\{1,2}|::)(?:access_token\b|AccessToken(?!s))"
    r"|CreateAccessToken[ \t]{0,5}\(|AccessTokenParams\b"
    r"|(?:Voice|Video|Chat|Conversations|Sync|TaskRouter|Playback)Grant\b"
    r"|twilio[ \t]{1,5}token:(?:voice|video|chat|sync)\b"
    r")"
)
SENTENCE = (
    "A restricted key can’t sign Access Tokens, and no permission changes that. The Voice, Video and Conversations "
    "SDKs need a token that is signed with a Standard key, which is made in the Twilio Console."
)


def read_access_tokens(text: str) -> Iterator[str]:
    """Yield that a restricted key signs no Access Tokens, if `text` signs one; nothing else, and no permission."""
    if _SIGNED.search(text):
        yield SENTENCE
