"""The settings of second factors, from the environment."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from portal import env

GROUPS = ("Engineers", "Team leads", "Security")
ADMINS = "admins"
FORMS = {
    "authenticate": "AuthenticateForm",
    "reauthenticate": "ReauthenticateForm",
    "activate_totp": "ActivateTotpForm",
    "authenticate_webauthn": "AuthenticateWebAuthnForm",
    "reauthenticate_webauthn": "ReauthenticateWebAuthnForm",
    "add_webauthn": "AddWebAuthnForm",
    "edit_webauthn": "EditWebAuthnForm",
}
DEFAULT = ["Team leads", "Security", ADMINS]


def read() -> dict[str, Any]:
    """Return Django's settings for it. `OIDC_MFA` is for the sign-in with OpenID Connect, see `required.FACTOR`."""
    return {
        "REQUIRE_MFA": _required(),
        "OIDC_MFA": env.listed("PORTAL_OIDC_MFA"),
        "MFA_ADAPTER": "portal.factors.adapter.PortalMFAAdapter",
        "MFA_FORMS": {name: f"portal.factors.forms.{form}" for name, form in FORMS.items()},
        "MFA_SUPPORTED_TYPES": ["totp", "recovery_codes", "webauthn"],
        "MFA_TOTP_TOLERANCE": 1,  # spans of 30 seconds that a clock may be wrong by
        "MFA_RECOVERY_CODES_SHOW_ONCE": True,
        "MFA_RECOVERY_CODE_DIGITS": 10,
        "MFA_ALLOW_UNVERIFIED_EMAIL": True,  # the portal has no addresses of the library's
        "MFA_REAUTHENTICATION_REQUIRED": False,  # the portal's own: the library would store and replay a request
        "MFA_RATE_LIMITS": False,  # so are the limits: keys_app/users/factors.py
    }


def _required() -> list[str]:
    """Return the groups whose users need a factor, and `admins`. Empty is no one; not set is the default."""
    if not env.is_set("PORTAL_REQUIRE_MFA"):
        return DEFAULT
    known = {one.casefold(): one for one in (*GROUPS, ADMINS)}
    given = env.listed("PORTAL_REQUIRE_MFA")
    for one in given:
        if one.casefold() not in known:
            right = ", ".join((*GROUPS, ADMINS))
            raise ImproperlyConfigured(f"PORTAL_REQUIRE_MFA must be some of {right}, separated by commas, not “{one}”.")
    return [known[one.casefold()] for one in given]
