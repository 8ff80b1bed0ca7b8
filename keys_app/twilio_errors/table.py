"""The table: each code that the portal or its users meet, in the forms of its text.

The words are the portal's own. Where a fact is only concluded from others, its grade says so and no text claims more.
Of a code's forms the first whose text fits is taken, so the one for every other text comes last.
"""

import re

from .model import ErrorForm, Fact, Grade, Mender

DICTIONARY = "Twilio's error dictionary"
KEY_RESOURCE = "Twilio's documentation of the Key resource, v1"
RESTRICTED = "Twilio's documentation of restricted API keys"
REPORT = "a published test or report"
CONCLUDED = "concluded, no source says so"
NEEDED = "/twilio/iam/api-keys/create, read, list and delete"

TOO_MANY_KEYS, GREATER_PERMISSIONS, NO_PERMISSION = 70151, 70152, 70051
WRONG_CREDENTIAL, NOT_ACCEPTED, NOT_FOUND = 20003, 70002, 20404
"""Codes that decide what the portal does next, not only what it says."""


def _spec(words: str, source: str = DICTIONARY) -> Fact:
    return Fact(words, Grade.SPEC, source)


def _live(words: str) -> Fact:
    return Fact(words, Grade.LIVE, REPORT)


def _inferred(words: str) -> Fact:
    return Fact(words, Grade.INFERRED, CONCLUDED)


def _text(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


_REQUEST = (
    ErrorForm(
        "limits",
        70001,
        _live("A value in the request is outside Twilio's limits; Twilio does not say which."),
        Mender.REQUESTER,
        "Send a request with a shorter name or fewer permissions instead.",
        "Give the key a name of at most 64 characters and at most 100 permissions.",
        (
            _live("the key's name has more than 64 characters"),
            _inferred("perhaps another limit, such as 100 permissions for a key"),
        ),
        (400,),
        _text(r"constraint violations?\b"),
    ),
    ErrorForm(
        "no_such_permission",
        70002,
        _live("Twilio does not know a permission that was asked for."),
        Mender.REQUESTER,
        "Send a request without that permission instead. Tell a portal admin that the catalogue has it.",
        "Take the permission's spelling from the catalogue.",
        statuses=(400,),
        text=_text(r"\bassertion\b.{0,250}?\bis\s+invalid"),
    ),
    ErrorForm(
        "bad_sid",
        70002,
        _live("Twilio takes a SID in the request for malformed."),
        Mender.ADMIN,
        "Compare the account's SID in the administration with the one in Twilio's Console.",
        "Check the SIDs: an account's begins with AC, a key's with SK, each with 32 hexadecimal digits after it.",
        statuses=(400,),
        text=_text(r"\binvalid sid\b"),
    ),
    ErrorForm(
        "unreadable",
        70002,
        _spec("Twilio could not read the request."),
        Mender.ADMIN,
        "Look for a newer version of the portal, and report this with the time of the attempt.",
        "Check the body: valid JSON, and a number where a number is expected.",
        (_spec("a value has the wrong type"), _spec("the body is not valid JSON")),
        (400,),
    ),
    ErrorForm(
        "parameter",
        20001,
        _spec("Twilio did not take a parameter of the request."),
        Mender.ADMIN,
        "The portal's request is at fault. Look for a newer version, and report this with the time of the attempt.",
        "Compare the parameters with those that Twilio's page of this resource lists.",
        (
            _live("AccountSid is missing where keys are listed"),
            _spec("a parameter is misspelled, or not known there"),
        ),
        (400,),
    ),
    ErrorForm(
        "key_not_found",
        20404,
        _inferred("Twilio seems to have no key with this SID."),
        Mender.SECURITY,
        "Find out who deleted the key: its page in the portal has its history.",
        "Check the key's SID. A deleted key does not come back; request a new one.",
        (_spec("the SID never existed"), _spec("the key was deleted")),
        (404,),
        _text(r"requested resource\s+/v1/Keys/SK\w+\s+was not found"),
    ),
    ErrorForm(
        "not_found",
        20404,
        _spec("Twilio has nothing at this address."),
        Mender.ADMIN,
        "Compare the account's SID with the one in Twilio's Console, and TWILIO_IAM_BASE_URL with Twilio's address.",
        "Check the SID, the path with its upper and lower case, and the host.",
        (
            _spec("the SID is wrong, or what it named was deleted"),
            _spec("the path is misspelled, or a SID in it is empty"),
            _spec("the host is another product's"),
        ),
        (404,),
        _text(r"requested resource\s.{0,250}?was not found"),
    ),
    ErrorForm(
        "too_many_requests",
        20429,
        _spec("Too many requests ran at the same time. Twilio did nothing with this one, so it is safe to repeat."),
        Mender.TWILIO,
        "Wait a moment, then try again.",
        "Send it again after a pause, and let the pause grow if it is refused again.",
        (
            _spec("the account has too many requests running"),
            _spec("with Verify: too many starts, checks or looks for one number"),
        ),
        (429,),
        _text(r"\btoo many (?:concurrent )?requests\b"),
    ),
)

_FIVE_CAUSES = (
    _spec("the account does not exist, or is suspended"),
    _spec("the key does not exist, or is suspended"),
    _spec("the key belongs to another account than the AccountSid of the call"),
    _spec("the key is restricted and lacks the permission for this call"),
    _spec("Twilio offers no permission for this call, so no restricted key can make it"),
)
_MEND_CREDENTIAL = (
    "Check in Twilio's Console that the account is active, and that the key the portal works with exists, belongs to "
    f"this account and holds {NEEDED}. Then run connect_account."
)


def _authorization(code: int, statuses: tuple[int, ...], where: str = "") -> tuple[ErrorForm, ...]:
    """Return the forms of a refusal for want of a permission, among other causes. `where` says who answers with it.

    Without a code their text is taken for 70051, of which no one says where it comes from.
    """
    caller = (
        "Compare the AccountSid of the call with the account of the key first. If they fit, request a key with the "
        "permission for this call."
    )
    return (
        ErrorForm(
            "no_assertions",
            code,
            _live(
                f"{where}The key has no permission here, or belongs to another account than the AccountSid of the call."
            ),
            Mender.ADMIN,
            _MEND_CREDENTIAL,
            caller,
            _FIVE_CAUSES,
            statuses,
            _text(r"\bactor\s+(?:doesn\W{0,3}t|does\s+not)\s+have\s+any\s+assertions"),
            stands_alone=not where,
        ),
        ErrorForm(
            "permission_missing",
            code,
            _live(f"{where}The key is restricted and lacks a permission, which Twilio names."),
            Mender.ADMIN,
            f"Connect the account with a credential that holds {NEEDED} (run connect_account).",
            "Request a key with the permission that Twilio names.",
            (),
            statuses,
            _text(r"\brequired permissions?\b.{0,600}?\bmissing\b"),
            stands_alone=not where,
        ),
        ErrorForm(
            "not_authorized",
            code,
            _live(
                f"{where}Twilio could not authorize the call: the key has no permission here, or belongs to another "
                "account than the AccountSid of the call, or one of them is suspended."
            ),
            Mender.ADMIN,
            _MEND_CREDENTIAL,
            caller,
            _FIVE_CAUSES,
            statuses,
            _text(r"\bauthorization (?:error|failed)\b"),
            stands_alone=not where,
        ),
    )


_NEW_KEYS = (
    ErrorForm(
        "too_many_keys",
        70151,
        _spec("The account has as many API keys as Twilio allows, so none can be issued, and none rotated."),
        Mender.ADMIN,
        "Delete keys at Twilio that no one uses; “Keys the portal never made” lists those. Twilio does not publish how "
        "many an account may have. A rotation needs one free place too: the new key is made before the old one goes.",
        "Delete an API key that no one uses, then try again. A rotation needs one free place too.",
        (),
        (),
        _text(r"\bmax(?:imum)?\b.{0,40}\bapi keys?\b|\bapi keys? (?:limit|maximum)\b|\btoo many api keys\b"),
    ),
    ErrorForm(
        "greater_permissions",
        70152,
        _spec("A key may not make a key that can do more than itself."),
        Mender.ADMIN,
        "Connect the account with a Main key, or with its SID and Auth Token (run connect_account).",
        "Make the key with a credential that can do at least as much: a Main key, or the account's SID and Auth Token.",
        (_inferred("perhaps the portal works with a restricted key that lacks the permissions of the new one"),),
        (),
        _text(r"\bcontains invalid flags?\b|\bgreater permissions?\b"),
    ),
)

_CHECK_CREDENTIAL = (
    "Check in Twilio's Console that the key the portal works with exists and that the account is active. Then run "
    f"connect_account with a credential that is accepted and holds {NEEDED}."
)
_WRONG_CREDENTIAL = (
    _spec("the SID and the secret or Auth Token do not belong together, or have a space or letter too many"),
    _spec("the key was deleted, or the Auth Token replaced"),
    _spec("the account is suspended or closed"),
    _spec("the credential is another account's, or a test credential"),
    _spec("the key is from another region than the address"),
    _spec("something on the way took the credential out"),
    _live("the credential is right, but may not do this"),
)
_CREDENTIAL = (
    ErrorForm(
        "policy_evaluation",
        20003,
        _live("Twilio knows the credential, but the credential lacks a right. Connecting it again changes nothing."),
        Mender.ADMIN,
        f"Give the portal's key {NEEDED} at Twilio, or run connect_account with a credential that has them.",
        "Request a key with the permission for this call.",
        (),
        (401, 403),
        _text(r"\bpolicy evaluation failed\b"),
    ),
    ErrorForm(
        "compliance",
        20003,
        _live("Twilio refuses the account until its compliance profile is approved."),
        Mender.ADMIN,
        "Have the account's compliance profile approved in Twilio's Console.",
        "Ask a portal admin to have the account's compliance profile approved in Twilio's Console.",
        (),
        (401,),
        _text(r"\b(?:compliance|customer|business) profile\b"),
        stands_alone=False,
    ),
    ErrorForm(
        "region",
        20003,
        _live("The key was made in another region than the one it is used in."),
        Mender.ADMIN,
        "Run connect_account with a credential of the US region: restricted keys exist there alone.",
        "Call the region that the key was made in. Restricted keys exist in the US region alone.",
        (),
        (401,),
        _text(r"\b(?:wrong|another|different|other|incorrect|invalid|this|not)\b.{0,40}\bregion\b"),
        stands_alone=False,
    ),
    ErrorForm(
        "authenticate",
        20003,
        _live("Twilio refused the credential itself: it is wrong, was deleted, or may not do this."),
        Mender.ADMIN,
        _CHECK_CREDENTIAL,
        "Check the SID and the secret. If they are right, the key lacks a right: request one with it.",
        _WRONG_CREDENTIAL,
        (401,),
        _text(
            r"(?:record|exception|error|\[http 401\]|returned the following information|\bmessage|\b20003)\W{1,12}"
            r"(?-i:Authenticate)\b(?![ \t]+(?!in\b|at\b|https?:)[a-z])"
            r"|\bauthentication error\b.{0,5}\binvalid username\b"
        ),
    ),
)

_CANNOT_SIGN = _spec("a restricted key signed the token, which no restricted key can", RESTRICTED)
_SIGN_OTHERWISE = (
    "Sign Access Tokens with a Standard or Main key of the same account. The portal issues restricted keys only, so "
    "ask a portal admin for one."
)
_NOT_THE_PORTALS = (
    "The portal sends no Access Token. Find out what between it and Twilio answers: look at TWILIO_IAM_BASE_URL and "
    "PORTAL_EGRESS_PROXY."
)
_TOKENS = (
    ErrorForm(
        "bad_token",
        20101,
        _spec("Twilio takes the Access Token for invalid. A restricted key cannot sign Access Tokens."),
        Mender.ADMIN,
        _NOT_THE_PORTALS,
        _SIGN_OTHERWISE,
        (
            _CANNOT_SIGN,
            _spec("it is not a token as Twilio's Access Tokens are: its header or payload lacks something"),
            _spec("its issuer is not the key that signed it, or its subject not the account"),
        ),
        (401,),
        _text(
            r"\binvalid access token\b(?!\s+(?:header|issuer|grants|signature))|\bAccessTokenInvalid\b"
            r"|\bunable to validate your access token\b"
        ),
    ),
    ErrorForm(
        "token_refused",
        20151,
        _spec("Twilio did not accept the Access Token. A restricted key cannot sign Access Tokens."),
        Mender.ADMIN,
        _NOT_THE_PORTALS,
        _SIGN_OTHERWISE,
        (
            _CANNOT_SIGN,
            _spec("its header, issuer, subject or grants are wrong"),
            _spec("it has expired, or lives longer than Twilio allows"),
        ),
        (401,),
        _text(r"\bauthentication with the provided JWT failed\b|\bauthorization with token failed\b"),
    ),
    ErrorForm(
        "token_signature",
        31202,
        _spec("The Access Token's signature is not valid. A restricted key cannot sign Access Tokens."),
        Mender.ADMIN,
        _NOT_THE_PORTALS,
        _SIGN_OTHERWISE,
        (_CANNOT_SIGN, _spec("the account's SID, the key's SID or its secret is wrong")),
        (),
        _text(r"\bJWT signature validation failed\b|\baccess token\b.{0,20}\bfailed signature validation\b"),
    ),
)

_REFUSES_CREDENTIAL = ErrorForm(
    "refused_credential",
    None,
    _inferred("Twilio seems not to let the portal's credential do this."),
    Mender.ADMIN,
    _CHECK_CREDENTIAL,
    "",
    statuses=(401, 403),
)
_REFUSES = ErrorForm(
    "refused",
    None,
    _inferred("Perhaps trying again helps: the portal does not know this answer."),
    Mender.REQUESTER,
    "Try again. If Twilio refuses again, send a request that asks for something else.",
    "",
)
UNKNOWN = (_REFUSES_CREDENTIAL, _REFUSES)
"""What stands for a code that is not in the table, or no code at all: Twilio's own words are shown beside it."""

TABLE: tuple[ErrorForm, ...] = (
    *_REQUEST,
    *_authorization(70051, (401,)),
    *_authorization(8001, (401,), "Some of Twilio's hosts answer so. "),
    *_authorization(8021, (401,), "Verify answers so. "),
    *_NEW_KEYS,
    *_CREDENTIAL,
    *_TOKENS,
)
CODES = frozenset(form.code for form in TABLE if form.code is not None)
