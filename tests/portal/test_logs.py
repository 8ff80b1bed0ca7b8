"""The last net under logging: what a log line must not hold, whoever writes it."""

import importlib
import io
import logging

import pytest
from django.conf import settings

from keys_app.core.secret import MASK, Secret
from portal.logs import MaskingFormatter

VALUE = "kJ8sN2vQ7wX4zR1tY6uP3mB9cF5hD0gL"
BASIC = "U0sxOlBhc3N3MHJkUGFzc3cwcmQ="


@pytest.fixture
def secret():
    return Secret(VALUE)


@pytest.fixture
def log():
    """Return a logger and what it has written, formatted as the portal's logs are."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(MaskingFormatter())
    logger = logging.Logger("portal.test")
    logger.addHandler(handler)
    return logger, written


def test_the_portal_logs_through_it():
    assert settings.LOGGING["formatters"]["masked"]["()"] == "portal.logs.MaskingFormatter"
    handlers = settings.LOGGING["handlers"].values()
    assert [handler["formatter"] for handler in handlers] == ["masked"] * len(handlers)
    with_handlers = [logger for logger in settings.LOGGING["loggers"].values() if logger.get("handlers")]
    assert not any(logger.get("propagate", True) for logger in with_handlers)


def test_the_mail_queue_logs_through_it():
    """It would add a handler of its own, and write tracebacks of the mail server's answers as they are."""
    importlib.import_module("post_office.mail")
    handlers = logging.getLogger("post_office").handlers
    own = [handler for handler in handlers if not type(handler).__module__.startswith("_pytest")]
    assert [type(handler.formatter) for handler in own] == [MaskingFormatter]


def test_a_line_is_written_as_it_is(log):
    logger, written = log
    logger.warning("made %s for %s", "SK1", "Shop")
    assert written.getvalue().endswith(" WARNING portal.test: made SK1 for Shop\n")


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (f"made {VALUE}", ()),
        ("made %s", (VALUE,)),
        ("made %r", ({"secret": VALUE},)),
        ("made %(secret)s", ({"secret": VALUE},)),
        ("%s", (f"https://SK1:{VALUE}@host/",)),
        ("%s", (ValueError(VALUE),)),
    ],
)
def test_a_live_secret_is_masked(log, secret, message, arguments):
    logger, written = log
    logger.error(message, *arguments)
    assert VALUE not in written.getvalue()
    assert MASK in written.getvalue()


def test_a_live_secret_is_masked_in_a_traceback(log, secret):
    logger, written = log
    try:
        try:
            raise ValueError(f"inner {VALUE}")
        except ValueError as error:
            raise RuntimeError(f"outer {VALUE}") from error
    except RuntimeError:
        logger.exception("it failed", stack_info=True)
    text = written.getvalue()
    assert f"inner {MASK}" in text
    assert f"outer {MASK}" in text
    assert VALUE not in text


@pytest.mark.parametrize(
    "line",
    [
        f"Authorization: Basic {BASIC}",
        f"authorization: basic {BASIC}",
        f"{{'Authorization': 'Basic {BASIC}'}}",
        f"Authorization: Bearer {BASIC}",
        f"BEARER   {BASIC}",
    ],
)
def test_an_authorization_value_is_masked(log, line):
    logger, written = log
    logger.info("sent %s", line)
    assert BASIC.rstrip("=") not in written.getvalue()
    assert MASK in written.getvalue()


def test_ordinary_words_are_left_alone(log):
    logger, written = log
    logger.info("a basic plan, the bearer of it")
    assert "a basic plan, the bearer of it" in written.getvalue()
