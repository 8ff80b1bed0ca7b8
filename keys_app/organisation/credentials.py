"""The credential of a Twilio account: encrypted at rest, readable only for the length of a call."""

from contextlib import AbstractContextManager

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from keys_app.core.errors import PortalError
from keys_app.core.secret import Secret
from keys_app.twilio_iam import concurrency
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.retry import Patience

from .models import Account


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key.strip()) for key in settings.ENCRYPTION_KEYS])


def encrypt(secret: Secret) -> str:
    """Return the secret encrypted with the newest key, as text."""
    return _fernet().encrypt(secret.reveal().encode()).decode()


def decrypt(ciphertext: str) -> Secret | None:
    """Return what `encrypt` was given; None if none of the keys fits."""
    try:
        return Secret(_fernet().decrypt(ciphertext.encode()).decode())
    except InvalidToken:
        return None


def can_decrypt_credentials() -> bool:
    """Tell whether the encryption keys fit: they decrypt one of the latest credentials, or there are none."""
    return not unreadable_credentials()[1]


def unreadable_credentials() -> tuple[list[str], bool]:
    """Return of which of the latest accounts no encryption key decrypts the credential, and whether of all."""
    latest = list(Account.objects.order_by("-connected_at").values_list("sid", "credential_ciphertext")[:20])
    unreadable = sorted(sid for sid, ciphertext in latest if decrypt(ciphertext) is None)
    return unreadable, bool(latest) and len(unreadable) == len(latest)


def is_credential(key_sid: str) -> bool:
    """Tell whether the portal works with this key itself, on any account. Such a key is never deleted."""
    return Account.objects.filter(credential_user=key_sid).exists()


def client_for(account: Account, *, patience: Patience | None = None, deadline: float | None = None) -> TwilioIamClient:
    """Return a client that acts for this account. Close it after use.

    With `patience` it tries again later what does no harm twice; `deadline` is in seconds for each call.

    Raises `PortalError` if the stored credential cannot be decrypted, before anything is sent.
    """
    password = decrypt(account.credential_ciphertext)
    if password is None:
        raise PortalError(
            "The portal cannot read its credential for this Twilio account. Nothing was created. "
            "Ask a portal admin to connect the account again."
        )
    return open_client(account.credential_user, password, patience=patience, deadline=deadline)


def open_client(
    username: str, password: Secret, *, patience: Patience | None = None, deadline: float | None = None
) -> TwilioIamClient:
    """Return a client for the configured endpoint with this credential."""
    return TwilioIamClient(
        base_url=settings.TWILIO_IAM_BASE_URL.geturl(),
        username=username,
        password=password,
        connect_timeout=settings.TWILIO_CONNECT_TIMEOUT,
        read_timeout=settings.TWILIO_READ_TIMEOUT,
        deadline=min(deadline or settings.TWILIO_DEADLINE, settings.TWILIO_DEADLINE),
        patience=patience,
    )


def twilio_slot(nothing: str = "Nothing was created.") -> AbstractContextManager[None]:
    """Hold one of `settings.TWILIO_CONCURRENCY` places for asking Twilio; see `concurrency.one_of`."""
    return concurrency.one_of(settings.TWILIO_CONCURRENCY, nothing)
