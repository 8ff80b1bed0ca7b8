"""Puts an event beside what Django's own commands do to an account."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.signals import post_save, pre_save

from keys_app.core.db import lock_row
from keys_app.users.auth_events import record_command


@contextmanager
def recorded(action: str, command: str) -> Iterator[None]:
    """Record each account that is saved meanwhile, in the transaction that saves it.

    That begins right before the save: the commands ask for a password first, and nothing may be locked so long. All
    else about the account is taken as it is then: it was read before the question.
    """
    with ExitStack() as open_transaction:

        def begin(instance: User, **_: Any) -> None:
            open_transaction.enter_context(transaction.atomic(durable=True))
            if not instance._state.adding:
                lock_row(User, instance.pk)
                others = [field.name for field in User._meta.concrete_fields if field.name != "password"]
                instance.refresh_from_db(fields=others)

        def end(instance: User, **_: Any) -> None:
            record_command(action, command, instance)
            open_transaction.pop_all().close()

        pre_save.connect(begin, sender=User)
        post_save.connect(end, sender=User)
        try:
            yield
        finally:
            pre_save.disconnect(begin, sender=User)
            post_save.disconnect(end, sender=User)
