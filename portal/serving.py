"""How the portal serves: processes, threads, and how long and how often at once it may wait for Twilio.

Read by the settings and by gunicorn's configuration, which gunicorn loads before Django.
"""

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.FileAwareEnv()


def checked_number(name: str, default: float, *, least: float, most: float, whole: bool = True) -> float:
    """Return the number that a variable of the environment holds, or `default`.

    Raises `ImproperlyConfigured` unless it is one from `least` to `most`.
    """
    kind = "whole number" if whole else "number"
    wrong = ImproperlyConfigured(f"{name} must be a {kind} from {least:g} to {most:g}.")
    text = env.str(name, default=str(default)).strip()
    if not text.isascii() or "_" in text:
        raise wrong
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        raise wrong from None
    if not least <= number <= most:  # also for "nan"
        raise wrong
    return number


def workers() -> int:
    """Return the number of processes."""
    return int(checked_number("PORTAL_WORKERS", 2, least=1, most=64))


def threads() -> int:
    """Return the number of threads of each process. One waits for Twilio, at least one more serves other people."""
    return int(checked_number("PORTAL_THREADS", 16, least=2, most=256))


def twilio_concurrency() -> int:
    """Return how many threads of a process may wait for Twilio at once; by default 6 of 16, in proportion.

    Raises `ImproperlyConfigured` if nobody were left to serve the people who only browse.
    """
    there_are = threads()
    default = max(1, min(6, there_are * 3 // 8))
    wanted = int(checked_number("PORTAL_TWILIO_CONCURRENCY", default, least=1, most=255))
    if wanted >= there_are:
        raise ImproperlyConfigured(
            f"PORTAL_TWILIO_CONCURRENCY ({wanted}) must be less than PORTAL_THREADS ({there_are}): the other threads "
            "serve people while Twilio does not answer."
        )
    return wanted


def twilio_timeouts() -> tuple[float, float, float]:
    """Return the seconds for connecting to Twilio, for each gap in an answer, and for a whole call."""
    names = (("CONNECT_TIMEOUT", 5.0), ("READ_TIMEOUT", 15.0), ("DEADLINE", 30.0))
    connect, read, deadline = (
        checked_number(f"PORTAL_TWILIO_{name}", default, least=0.1, most=300, whole=False) for name, default in names
    )
    return connect, read, deadline
