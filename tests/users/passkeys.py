"""A passkey in software: what a browser and its authenticator send, and what a liar would."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

ORIGIN = "http://localhost:8000"


@dataclass
class Passkey:
    """One key pair of one site. `origin` is what the browser says the page is of."""

    host: str = "localhost"
    origin: str = ORIGIN
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = b"a-passkey-of-tests"

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _data(self, flags: int, credential: Any = b"") -> AuthenticatorData:
        site = hashlib.sha256(self.host.encode()).digest()
        return AuthenticatorData(site + bytes([flags]) + bytes(4) + bytes(credential))

    def made(self, options: dict[str, Any]) -> str:
        """Answer the options of a page that adds one."""
        public = AttestedCredentialData.create(bytes(16), self.id, ES256.from_cryptography_key(self.key.public_key()))
        data = self._data(0x45, public)
        client = self._client("webauthn.create", options["publicKey"]["challenge"])
        response = {
            "clientDataJSON": websafe_encode(client),
            "attestationObject": websafe_encode(bytes(AttestationObject.create("none", data, {}))),
        }
        return self._sent(response)

    def shown(self, options: dict[str, Any]) -> str:
        """Answer the options of a page that signs in."""
        data = self._data(0x05)
        client = self._client("webauthn.get", options["publicKey"]["challenge"])
        signed = self.key.sign(bytes(data) + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": websafe_encode(client),
            "authenticatorData": websafe_encode(bytes(data)),
            "signature": websafe_encode(signed),
        }
        return self._sent(response)

    def _sent(self, response: dict[str, Any]) -> str:
        name = websafe_encode(self.id)
        return json.dumps(
            {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}
        )
