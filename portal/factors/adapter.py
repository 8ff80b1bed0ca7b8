"""What the sign-in library asks the portal about second factors."""

import ipaddress

import qrcode
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import User
from django.utils.html import format_html

from keys_app.core.errors import PortalError
from keys_app.core.secret import Secret
from keys_app.organisation import credentials

NAME = "Key portal"


def passkeys_work() -> bool:
    """Tell whether a browser takes a passkey for the portal's address: not for one that is a number."""
    try:
        ipaddress.ip_address(settings.BASE_URL.hostname or "")
    except ValueError:
        return True
    return False


def qr_code(text: str) -> str:
    """Return a QR code as SVG to put into a page: dark on white in both themes, and without a style of its own."""
    code = qrcode.QRCode(border=4)
    code.add_data(text)
    rows = code.get_matrix()
    dark = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, on in enumerate(row) if on)
    return format_html(
        '<svg class="qr" role="img" aria-label="QR code for your authenticator app" viewBox="0 0 {0} {0}" width="232"'
        ' height="232" shape-rendering="crispEdges"><rect width="{0}" height="{0}" fill="#fff"/>'
        '<path fill="#000" d="{1}"/></svg>',
        len(rows),
        dark,
    )


class PortalMFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # a class without types
    """Encrypts with the portal's keys, and takes the portal's name from its settings, never from a request."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "This code isn’t right, or was used before. Wait for the next one.",
    }

    def build_totp_svg(self, url: str) -> str:
        return qr_code(url)

    def encrypt(self, text: str) -> str:
        return credentials.encrypt(Secret(text))

    def decrypt(self, encrypted_text: str) -> str:
        secret = credentials.decrypt(encrypted_text)
        if secret is None:
            raise PortalError("The portal can’t read this second factor. Ask a portal admin to reset it.")
        return secret.reveal()

    def get_totp_issuer(self) -> str:
        return f"{NAME} {settings.BASE_URL.hostname}"

    def _get_user_identifier(self, user: User) -> str:
        return user.get_username()

    def _get_site_name(self) -> str:
        return NAME

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": str(settings.BASE_URL.hostname), "name": NAME}

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        there = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return f"Passkey {there + 1}" if there else "Passkey"
