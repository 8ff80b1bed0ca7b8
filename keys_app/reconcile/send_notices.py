"""One run of the sender: what is due to be said is queued, what is queued is sent, what is old is removed."""

from collections.abc import Callable

from keys_app.core.isolation import isolated, noting_failures
from keys_app.key_requests.digests import announce_lapses, send_digests
from keys_app.notifications.daily import send_daily
from keys_app.notifications.mail import remove_old, send_mails
from keys_app.notifications.outbox import Sent
from keys_app.notifications.webhook_hosts import note_unlisted
from keys_app.notifications.webhooks import send_deliveries
from keys_app.users.password_resets import send_links


def send_notices(stopping: Callable[[], bool] = lambda: False) -> tuple[Sent, int]:
    """Run every step, whatever happens to the others; return what was sent and how many kinds of failure there were.

    `stopping` is asked between two mails or deliveries, and ends the run.
    """
    total = Sent()
    steps: dict[str, Callable[[], Sent | None]] = {
        "announcing what lapses": announce_lapses,
        "making digests": send_digests,
        "making daily mails": send_daily,
        "sending mail": lambda: send_mails(stopping),
        "sending password resets": lambda: send_links(stopping),
        "looking at webhooks' hosts": note_unlisted,
        "sending to webhooks": lambda: send_deliveries(stopping),
        "removing what is old": remove_old,
    }
    with noting_failures() as failures:
        for name, step in steps.items():
            with isolated(name):
                total += step() or Sent()
    return total, len(failures.kinds)
