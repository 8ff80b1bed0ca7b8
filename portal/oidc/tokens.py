"""Looks whether an ID token is one that this provider made for this portal, just now."""

from typing import Any

import jwt
from allauth.socialaccount.providers.oauth2.client import OAuth2Error

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Those with a public key: with a shared secret, or none, who has the client's secret could write tokens."""
SKEW = 60
"""Seconds by which the provider's clock may differ."""
_REQUIRED = ["iss", "sub", "aud", "exp", "iat"]


class BadToken(OAuth2Error):  # type: ignore[misc]  # a class without types
    """A token or an answer that is not to be believed. Its text is for a person."""


def claims_of(token: str, *, keys: object, issuer: str, client_id: str) -> dict[str, Any]:
    """Return what an ID token says, after its signature, issuer, audience and times. Raises `BadToken`.

    `keys` is the provider's set of keys as it publishes it.
    """
    try:
        key = _key(token, keys)
        claims: dict[str, Any] = jwt.decode(
            token,
            key=key,
            algorithms=ALGORITHMS,
            audience=client_id,
            issuer=issuer,
            leeway=SKEW,
            options={"require": _REQUIRED},
        )
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise BadToken(f"its ID token is not valid ({type(error).__name__})") from None
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else client_id) != client_id:
        raise BadToken("its ID token is for another client")
    return claims


def _key(token: str, keys: object) -> Any:
    """Return the public key that a token says it is signed with; where it names none, the only one there is."""
    published = jwt.PyJWKSet.from_dict(keys if isinstance(keys, dict) else {}).keys
    signing = [one for one in published if one.public_key_use in (None, "sig")]
    name = jwt.get_unverified_header(token).get("kid")
    fitting = [one for one in signing if name in (None, one.key_id)]
    if len(fitting) != 1:
        raise KeyError("kid")
    return fitting[0].key
