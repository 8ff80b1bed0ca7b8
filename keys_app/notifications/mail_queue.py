"""The mails that wait to be sent: a row for each address."""

from collections.abc import Iterable
from email.utils import make_msgid

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone
from post_office.models import PRIORITY, STATUS, Email

from keys_app.organisation.models import Team

_PLAIN_QUOTES = str.maketrans("“”", '""')


def addresses_of(people: Iterable[User], team: Team | None, more: Iterable[str]) -> list[str]:
    """Return each address once, whatever its case; one that is none is left out."""
    given = [user.email for user in people if user.is_active] + ([team.notice_email] if team else []) + list(more)
    addresses = {address.casefold(): address for address in given if _is_address(address)}
    return sorted(addresses.values())


def _is_address(address: str) -> bool:
    try:
        validate_email(address)
    except ValidationError:
        return False
    return True


def queue_mail(title: str, text: str, addresses: list[str], *, urgent: bool) -> list[Email]:
    """Queue a mail for each address alone, so that no one learns the others', and return them.

    The rows are made directly: `post_office.mail.send` takes subject and text for Django templates, and people's
    words are in them.
    """
    now = timezone.now()
    subject = f"[Key portal] {title}".translate(_PLAIN_QUOTES)  # most stay readable without decoding
    queued: list[Email] = Email.objects.bulk_create(
        Email(
            from_email=settings.DEFAULT_FROM_EMAIL,
            to=[address],
            subject=subject,
            message=text,
            message_id=make_msgid(domain=settings.BASE_URL.hostname),  # stays the same if it is sent again
            headers={"Auto-Submitted": "auto-generated"},
            status=STATUS.queued,
            priority=PRIORITY.high if urgent else PRIORITY.medium,
            scheduled_time=now,
            number_of_retries=0,
        )
        for address in addresses
    )
    return queued
