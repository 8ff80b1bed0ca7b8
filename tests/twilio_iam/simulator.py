"""Runs the simulator of Twilio as a process of its own, for any test that needs one."""

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from requests import Response, Session

from keys_app.core.secret import Secret
from keys_app.twilio_iam.client import TwilioIamClient

ROOT = Path(__file__).resolve().parents[2]
_NAMES = ("TWILIO_IAM_BASE_URL", "TWILIO_ACCOUNT_SID", "TWILIO_API_KEY", "TWILIO_API_SECRET")


@dataclass(frozen=True)
class Credential:
    """What the portal is given for an account: the SID of a key, or of the account, and its secret."""

    username: str
    password: str = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """The two variables that `connect_account` reads."""
        return {"TWILIO_API_KEY": self.username, "TWILIO_API_SECRET": self.password}


@dataclass(frozen=True)
class Tenancy:
    """An account of the simulator besides its first one."""

    sid: str
    token: Credential
    main: Credential


class StandIn:
    """A simulator of Twilio on a free port of 127.0.0.1. After `start()` its attributes say how to reach it.

    `start()` after `stop()` comes back on the same port with the same credential; with a `state` file it also
    still has its keys. It dies with the process that started it.
    """

    def __init__(self, state: Path | None = None) -> None:
        self._state = state
        self._process: subprocess.Popen[str] | None = None
        self._known: dict[str, str] = {}

    base_url = property(lambda self: self._known["TWILIO_IAM_BASE_URL"])
    account_sid = property(lambda self: self._known["TWILIO_ACCOUNT_SID"])
    api_key = property(lambda self: self._known["TWILIO_API_KEY"])
    api_secret = property(lambda self: self._known["TWILIO_API_SECRET"])

    @property
    def environment(self) -> dict[str, str]:
        """The four variables that point the portal at this simulator."""
        return dict(self._known)

    def start(self) -> Self:
        port = self.base_url.rpartition(":")[2] if self._known else "0"
        command = [sys.executable, "-m", "keys_app.twilio_sandbox", "--port", port, "--stop-on-eof"]
        if self._state is not None:
            command += ["--state", str(self._state)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TWILIO_")}
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**clean, **self._known},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        lines = [self._process.stdout.readline().strip() for _ in _NAMES]
        self._known = dict(line.split("=", 1) for line in lines if "=" in line)
        assert set(self._known) == set(_NAMES), "the simulator did not start"
        return self

    def stop(self) -> tuple[int, str, str]:
        """Stop it; return its exit code, and what it wrote after the start to standard output and error."""
        process, self._process = self._process, None
        if process is None:
            return 0, "", ""
        process.terminate()
        try:
            out, err = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        return process.returncode, out, err

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def client(self, **options: Any) -> TwilioIamClient:
        """Return a client with the main credential; `options` override its arguments."""
        given = {"base_url": self.base_url, "username": self.api_key, "password": Secret(self.api_secret)}
        return TwilioIamClient(**{**given, **options})

    def fault(self, name: str, **options: Any) -> None:
        """Let the next request fail: `operation` (default "create"), `times`, and the fault's own."""
        self._control("POST", "faults", json={"fault": name, **options})

    def mix(self, faults: list[dict[str, Any]], *, rate: float, seed: int) -> None:
        """From now on let requests fail with probability `rate`, in one of the ways given for their operation."""
        self._control("POST", "mix", json={"faults": faults, "rate": rate, "seed": seed})

    @property
    def auth_token(self) -> Credential:
        """The account's SID with its Auth Token."""
        return Credential(self.account_sid, self.api_secret)

    def credential(
        self,
        *,
        without: Iterable[str] = (),
        also: Iterable[str] = (),
        refusal: str = "authenticate",
        grants_own_only: bool = False,
        main: bool = False,
    ) -> Credential:
        """Return a new credential that the account lists as a key: a restricted one, or with `main` a Main key.

        It holds `/twilio/iam/api-keys/…` but for the actions in `without` (`create`, `read`, `list`, `update`,
        `delete`), and what is in `also`. What it may not do is refused as `refusal` says: `authenticate` or
        `evaluation` (401, 20003), `forbidden` (403, 20003) or `missing` (401, 70051). With `grants_own_only` it can't
        make a key that may do more than it may (70152). It is deleted like any other key, and not in `truth`.
        """
        order = {
            "without": list(without),
            "also": list(also),
            "refusal": refusal,
            "grants_own_only": grants_own_only,
            "main": main,
        }
        made = self._control("POST", "credentials", json=order).json()
        return Credential(made["sid"], made["secret"])

    def account(self, parent: str | None = None) -> "Tenancy":
        """Open another account, below `parent` if it is given, with an Auth Token and a Main key."""
        made = self._control("POST", "accounts", json={"parent": parent}).json()
        return Tenancy(
            made["sid"], Credential(made["sid"], made["auth_token"]), Credential(made["key"], made["secret"])
        )

    def scope_keys(self, keys: str) -> None:
        """Let a key be reached by its SID from its `own` account alone, or from `any`; `clear_faults` sets it back."""
        self._control("POST", "scope", json={"keys": keys})

    def limit_keys(self, most: int | None) -> None:
        """Refuse new keys from now on while it has `most` (70151); None and `clear_faults` take the limit off."""
        self._control("POST", "limit", json={"most": most})

    def age(self, seconds: float) -> None:
        """Make every key older: time passes for them too when a test moves the portal's records back."""
        self._control("POST", "age", json={"seconds": seconds})

    def truth(self) -> dict[str, Any]:
        """Return what really happened since the start: `asked` (names) and `keys`, deleted ones included."""
        return dict(self._control("GET", "truth").json())

    def clear_faults(self) -> None:
        self._control("DELETE", "faults")

    def show_hidden(self) -> None:
        """List from now on also the keys that were to be listed later (the option `hide` of a fault)."""
        self._control("DELETE", "hidden")

    def change_key(self, sid: str, **changes: Any) -> None:
        """Let a key be older, by `age` in seconds, be `unlisted` for so many seconds, or be a `standard` key.

        `beside` is what its policy has besides `allow`, `flags` what listings say of it.
        """
        self._control("POST", "key", json={"sid": sid, **changes})

    def remember(self) -> None:
        """Keep the account's keys as they are now for `recall`."""
        self._control("POST", "remember")

    def recall(self) -> None:
        """Have the keys of the last `remember` again, and no others."""
        self._control("POST", "recall")

    def keys(self) -> list[dict[str, Any]]:
        """Return every key: `sid`, `friendly_name`, `policy` (sorted, expanded, or None) and `account`."""
        return list(self._control("GET", "keys").json()["keys"])

    def key(self, sid: str) -> dict[str, Any] | None:
        return next((key for key in self.keys() if key["sid"] == sid), None)

    def named(self, friendly_name: str) -> list[dict[str, Any]]:
        return [key for key in self.keys() if key["friendly_name"] == friendly_name]

    def delete_keys(self) -> None:
        """Delete every key, of all accounts."""
        self._control("DELETE", "keys")

    def requests(self) -> dict[str, int]:
        """Return the number of requests so far for `create`, `list`, `fetch`, `update` and `delete`."""
        return dict(self._control("GET", "requests").json())

    def _control(self, method: str, name: str, **options: Any) -> Response:
        with Session() as session:
            session.trust_env = False
            answer = session.request(
                method,
                f"{self.base_url}/_sandbox/{name}",
                auth=(self.api_key, self.api_secret),
                timeout=10,
                **options,
            )
        answer.raise_for_status()
        return answer
