"""An ID token is believed only if this provider made it, for this portal, just now."""

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from portal.oidc.tokens import BadToken, claims_of

ISSUER, CLIENT = "https://login.example.com", "portal"
KEY, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
CURVE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = {**json.loads(RSAAlgorithm.to_jwk(KEY.public_key())), "kid": "one", "use": "sig"}
SECOND = {**json.loads(ECAlgorithm.to_jwk(CURVE.public_key())), "kid": "two"}


def token(key=KEY, algorithm="RS256", kid="one", without="", **changes):
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": CLIENT, "sub": "subject", "iat": now, "exp": now + 300, **changes}
    claims.pop(without, None)
    return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else None)


def read(given, *keys):
    return claims_of(given, keys={"keys": list(keys or (PUBLIC, SECOND))}, issuer=ISSUER, client_id=CLIENT)


def test_a_right_one_is_believed():
    assert read(token())["sub"] == "subject"
    assert read(token(CURVE, "ES256", "two"))["sub"] == "subject"
    assert read(token(kid=""), PUBLIC)["sub"] == "subject"
    assert read(token(aud=[CLIENT, "other"], azp=CLIENT))["sub"] == "subject"
    assert read(token(iat=int(time.time()) + 30))["sub"] == "subject"  # clocks differ


def _unsigned():
    parts = [{"alg": "none", "kid": "one"}, jwt.decode(token(), options={"verify_signature": False})]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


WRONG = {
    "another key": token(OTHER),
    "no signature": _unsigned(),
    "a shared secret": token("s" * 32, "HS256"),
    "another issuer": token(iss="https://login.example.com/"),
    "another audience": token(aud="other"),
    "for several, and none named": token(aud=[CLIENT, "other"]),
    "for another of several": token(aud=[CLIENT, "other"], azp="other"),
    "given to another": token(azp="other"),
    "expired": token(exp=int(time.time()) - 61),
    "an unknown key": token(kid="three"),
    "no key where there are two": token(kid=""),
    "no token": "abc",
    **{f"without {name}": token(without=name) for name in ("iss", "aud", "sub", "iat", "exp")},
    "a subject that is a number": token(sub=7),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_one_is_not(what):
    with pytest.raises(BadToken):
        read(WRONG[what])


@pytest.mark.parametrize("keys", [{}, [], {"keys": "x"}, {"keys": []}, {"keys": [{**PUBLIC, "use": "enc"}]}, None])
def test_without_a_key_none_is(keys):
    with pytest.raises(BadToken):
        claims_of(token(), keys=keys, issuer=ISSUER, client_id=CLIENT)
