"""Every page says what keys are made at: the simulator, a real endpoint on this machine, or Twilio itself."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from keys_app.core.http import simulator
from keys_app.core.http.simulator import EndpointKind, endpoint_at
from tests.cast import text_of
from tests.twilio_iam.wire import Wire, answer


@pytest.fixture
def wire() -> Iterator[type[Wire]]:
    yield Wire
    Wire.close_all()


def closed() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize(("role", "page"), [("engineer", "/"), ("lead", "/admin/keys_app/keyrequest/")])
def test_the_banner_tells_the_simulator_from_a_real_endpoint_on_this_machine(cast, settings, wire, role, page):
    client = cast.client(role)
    simulated = text_of(client.get(page))
    assert f"Simulator of Twilio at {settings.TWILIO_IAM_BASE_URL.geturl()}. Keys made here work nowhere." in simulated
    for status in ("204 No Content", "401 Unauthorized", "502 Bad Gateway"):
        real = wire(answer(status))
        settings.TWILIO_IAM_BASE_URL = urlsplit(real.base_url)
        said = text_of(client.get(page))
        assert (
            f"Keys are made through {real.base_url}, a real endpoint on this machine: they may work at Twilio." in said
        )
        assert "work nowhere" not in said
    settings.TWILIO_IAM_BASE_URL = urlsplit("https://iam.twilio.com")
    said = text_of(client.get(page))
    assert "on this machine" not in said
    assert "work nowhere" not in said


def test_it_is_asked_once_and_without_a_credential(cast, settings, wire):
    real = wire(answer("204 No Content"))
    settings.TWILIO_IAM_BASE_URL = urlsplit(real.base_url)
    for page in ("/", "/requests/", "/keys/"):
        cast.client("engineer").get(page)
    (asked,) = real.received
    assert asked.startswith(b"OPTIONS /v1/Keys HTTP/1.1")
    assert b"authorization" not in asked.lower()


def test_one_that_does_not_answer_is_taken_for_real_and_asked_again_later(cast, settings, standin, monkeypatch):
    url = closed()
    settings.TWILIO_IAM_BASE_URL = urlsplit(url)
    assert f"The endpoint on this machine, {url}, doesn’t answer. It may be a real one" in text_of(
        cast.client("engineer").get("/")
    )
    asked: list[str] = []
    ask = simulator._ask
    monkeypatch.setattr(simulator, "_ask", lambda address: (asked.append(address), ask(standin.base_url))[1])
    assert endpoint_at(urlsplit(url)) is EndpointKind.SILENT
    assert asked == []
    monkeypatch.setattr(simulator, "AGAIN_AFTER", 0.0)
    assert endpoint_at(urlsplit(url)) is EndpointKind.SIMULATOR
    assert endpoint_at(urlsplit(url)) is EndpointKind.SIMULATOR
    assert asked == [url]


def test_what_is_not_on_this_machine_is_not_asked(monkeypatch):
    monkeypatch.setattr(simulator, "_ask", pytest.fail)
    assert endpoint_at(urlsplit("https://iam.twilio.com")) is EndpointKind.TWILIO
