"""The settings of sign-in with OpenID Connect, as the environment gives them."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from keys_app.core.http.public_addresses import is_https_or_loopback
from portal import env


@dataclass(frozen=True, slots=True)
class OpenIdConnect:
    """The provider and the portal's name and secret there. Without an issuer there is none, and nothing else counts."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    name: str = "your company account"
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    groups_claim: str = "groups"
    groups_file: Path | None = None


def read() -> OpenIdConnect:
    """Return the settings. Raises `ImproperlyConfigured` for an issuer that can be none, or has no client."""
    issuer = _issuer(env.text("PORTAL_OIDC_ISSUER"))
    client_id, client_secret = env.text("PORTAL_OIDC_CLIENT_ID"), env.private("PORTAL_OIDC_CLIENT_SECRET")
    if issuer and not (client_id and client_secret):
        raise ImproperlyConfigured(
            "PORTAL_OIDC_ISSUER is set: set PORTAL_OIDC_CLIENT_ID and PORTAL_OIDC_CLIENT_SECRET (or …_FILE) too."
        )
    file = env.text("PORTAL_OIDC_GROUPS_FILE")
    return OpenIdConnect(
        issuer,
        client_id,
        client_secret,
        name=env.text("PORTAL_OIDC_NAME", "your company account"),
        scopes=_scopes(env.text("PORTAL_OIDC_SCOPES", "openid profile email")),
        groups_claim=env.text("PORTAL_OIDC_GROUPS_CLAIM", "groups"),
        groups_file=Path(file) if file else None,
    )


def local_sign_in(provider: OpenIdConnect) -> bool:
    """Return whether passwords count. Raises `ImproperlyConfigured` where they don't, and there is no provider."""
    allowed = env.switch("PORTAL_LOCAL_SIGN_IN", True)
    if not allowed and not provider.issuer:
        raise ImproperlyConfigured("PORTAL_LOCAL_SIGN_IN is 0: set PORTAL_OIDC_ISSUER, or no one could sign in.")
    return allowed


def _issuer(value: str) -> str:
    """Return the issuer exactly as it is written, as tokens name it: also with the / at its end, or without."""
    if not value:
        return ""
    name = "PORTAL_OIDC_ISSUER"
    got = "" if "@" in value else f", not “{value[:60]}”"  # a password may stand before the @
    wrong = ImproperlyConfigured(f"{name} must be an issuer such as https://login.example.com/realms/company{got}.")
    try:
        parts = urlsplit(value)
        readable = parts.port is None or parts.port > 0
    except ValueError:
        raise wrong from None
    odd = not value.isascii() or not value.isprintable() or " " in value or "\\" in value
    if odd or not readable or not parts.hostname or "?" in value or "#" in value or "@" in parts.netloc:
        raise wrong
    if not is_https_or_loopback(parts):
        raise ImproperlyConfigured(f"{name} must start with https://; http:// is for loopback addresses only{got}.")
    return value


def _scopes(value: str) -> tuple[str, ...]:
    scopes = value.split()
    if "openid" not in scopes:
        raise ImproperlyConfigured("PORTAL_OIDC_SCOPES must hold openid: scopes, separated by spaces.")
    return tuple(dict.fromkeys(scopes))
