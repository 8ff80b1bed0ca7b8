import io
import itertools
import logging
from collections.abc import Iterator

import pytest

from keys_app.permissions.policy import Policy
from keys_app.twilio_iam.client import TwilioIamClient

from .simulator import StandIn
from .wire import Wire

NOISY = (None, "urllib3", "urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry", "requests")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def running_standin() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


@pytest.fixture
def standin(running_standin: StandIn) -> Iterator[StandIn]:
    """The simulator, with no failures ordered. Its keys stay from test to test."""
    running_standin.clear_faults()
    yield running_standin
    running_standin.clear_faults()


@pytest.fixture
def client(standin: StandIn) -> Iterator[TwilioIamClient]:
    with standin.client(read_timeout=5.0, deadline=10.0) as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"key {next(_numbers)}"


@pytest.fixture
def policy() -> Policy:
    return Policy.of(["/twilio/messaging/messages/create", "/twilio/messaging/messages/read"])


@pytest.fixture
def wire() -> Iterator[type[Wire]]:
    """Makes raw servers that are closed after the test."""
    yield Wire
    Wire.close_all()


@pytest.fixture
def everything_logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Collects what is logged at any level, whatever the settings of the portal filter or mask."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        monkeypatch.setattr(logger, "handlers", [handler])
        monkeypatch.setattr(logger, "filters", [])
        monkeypatch.setattr(logger, "disabled", False)
        monkeypatch.setattr(logger, "propagate", False)
        logger.setLevel(logging.DEBUG)
    yield stream
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
