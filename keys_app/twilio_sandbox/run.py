"""Starts the simulator: takes its credential, says where it listens, and serves until told to stop."""

import argparse
import os
import secrets
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from keys_app.twilio_iam.types import ACCOUNT_SID, KEY_SID

from .api import Api
from .secrets62 import new_secret
from .server import Server
from .store import Hashed, Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the simulator's options, which the management command shares."""
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--state", type=Path, help="file that keeps the keys from one run to the next")
    parser.add_argument("--stop-on-eof", action="store_true", help="stop when standard input ends")


def run(*, port: int, state: Path | None = None, stop_on_eof: bool = False) -> None:
    """Serve until SIGTERM or SIGINT (or the end of standard input, if `stop_on_eof`).

    The account, key and secret it accepts are TWILIO_ACCOUNT_SID, TWILIO_API_KEY and TWILIO_API_SECRET, each
    random where not set. They are printed with the base URL, one `NAME=value` a line: whoever starts it has
    to know them. Raises `OSError` for a port or file that cannot be used, `ValueError` for a malformed SID or
    state.
    """
    account_sid, key_sid, secret = _credential(os.environ)
    api = Api(Store(state), account_sid, key_sid, Hashed.of(secret))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Server(api, port) as server:
        print(f"TWILIO_IAM_BASE_URL={server.base_url}")
        print(
            f"TWILIO_ACCOUNT_SID={account_sid}\nTWILIO_API_KEY={key_sid}\nTWILIO_API_SECRET={secret}",
            flush=True,
        )
        del secret
        if stop_on_eof:
            threading.Thread(target=_wait_for_eof, args=(stop,), daemon=True).start()
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        stop.wait()
        server.stop()


def _credential(environment: Mapping[str, str]) -> tuple[str, str, str]:
    account_sid = environment.get("TWILIO_ACCOUNT_SID") or "AC" + secrets.token_hex(16)
    key_sid = environment.get("TWILIO_API_KEY") or "SK" + secrets.token_hex(16)
    if not ACCOUNT_SID.fullmatch(account_sid) or not KEY_SID.fullmatch(key_sid):
        raise ValueError("TWILIO_ACCOUNT_SID or TWILIO_API_KEY is not a SID")
    return account_sid, key_sid, environment.get("TWILIO_API_SECRET") or new_secret()


def _wait_for_eof(stop: threading.Event) -> None:
    while os.read(
        sys.stdin.fileno(), 4096
    ):  # not through the buffer, whose lock would break the process off at its end
        pass
    stop.set()
