"""Runs the portal on this machine with sample people and a simulator of Twilio: `make demo`.

Starts the simulator, the portal under gunicorn, the reconciler, the sender of notices and the signer of
checkpoints, and stops them together. Everything it keeps is in `var/`. `python -m portal.demo manage …` runs a
management command with the same settings.
"""

import base64
import ctypes
import fcntl
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from keys_app import __version__
from keys_app.core.http.simulator import EndpointKind, endpoint_at
from portal import env
from portal.old_database import NotMoved, set_aside

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"
STATE = VAR / "demo.json"
MAIL = VAR / "mail"
MAIL_TO_FILES = f"filemail:///{quote(str(MAIL))}"
STANDIN_STATE = VAR / "twilio_standin.json"
REAL_TWILIO = ("TWILIO_IAM_BASE_URL", "TWILIO_ACCOUNT_SID", "TWILIO_API_KEY", "TWILIO_API_SECRET")
STANDIN = "simulator of Twilio"
TAKE_OVER_SECONDS = 20
START_SECONDS = 60
STOP_SECONDS = 75  # gunicorn lets a key that is being issued finish
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Run the demo, or with `manage` one command in its environment. Return the exit status."""
    try:
        os.umask(0o077)
        VAR.mkdir(exist_ok=True)
        if arguments[:1] == ["manage"]:
            return manage(arguments[1:])
        return serve(chosen_port())
    except (DemoError, ImproperlyConfigured) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def chosen_port() -> int:
    """Return the port from `PORT`, 8000 if it is not set."""
    return env.number("PORT", 8000, least=1, most=65535)


class DemoError(Exception):
    """Something the person at the terminal has to put right."""


def read_state() -> dict[str, Any]:
    """Return what is kept between starts, made the first time: keys, the simulator's credential, a password."""
    state = json.loads(STATE.read_text()) if STATE.exists() else {}
    made = {
        "PORTAL_SECRET_KEY": secrets.token_urlsafe(64),
        "PORTAL_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "PORTAL_AUDIT_SIGNING_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "PORTAL_DEMO_PASSWORD": secrets.token_urlsafe(12),
        "TWILIO_ACCOUNT_SID": "AC" + secrets.token_hex(16),
        "TWILIO_API_KEY": "SK" + secrets.token_hex(16),
        "TWILIO_API_SECRET": secrets.token_urlsafe(24),
    }
    if made.keys() - state.keys():  # the first start, or the first of a version that needs more
        state = made | state
        write_state(state)
    return state


def write_state(state: dict[str, Any]) -> None:
    """Write the file whole or not at all, readable by its owner only (the umask is set)."""
    new = STATE.with_suffix(".new")
    new.write_text(json.dumps(state, indent=2))
    new.replace(STATE)


def environment(port: int) -> dict[str, str]:
    """Return the environment of the demo's processes. What is set outside wins, except the address."""
    given = [name for name in REAL_TWILIO if os.environ.get(name)]
    if given and len(given) < len(REAL_TWILIO):
        missing = ", ".join(name for name in REAL_TWILIO if name not in given)
        raise DemoError(f"to use another Twilio endpoint than the simulator, set {missing} as well")
    defaults = {name: value for name, value in read_state().items() if name.isupper()}
    if given:
        defaults = {name: value for name, value in defaults.items() if not name.startswith("TWILIO_")}
    database = env.database_url("DATABASE_URL", f"sqlite:///{VAR / 'demo.sqlite3'}")
    return {
        "EMAIL_URL": MAIL_TO_FILES,
        "PORTAL_REAUTHENTICATE_AFTER": "0",
        "PORTAL_SESSION_IDLE": "0",
        "PORTAL_REQUIRE_MFA": "",
        "PORTAL_CHECKPOINT_DIR": str(checkpoint_directory(database)),
        **defaults,
        **os.environ,
        "DATABASE_URL": database,
        "PORTAL_BASE_URL": f"http://127.0.0.1:{port}",
        "PORTAL_ALLOWED_HOSTS": "127.0.0.1:*,localhost:*",  # a port may be forwarded to it
        "PORTAL_BIND": f"127.0.0.1:{port}",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PYTHONUNBUFFERED": "1",
    }


def checkpoint_directory(database: str) -> Path:
    """Return a place for the checkpoints of this database: those of another one would not fit its ledger."""
    name, state = hashlib.sha256(database.encode()).hexdigest()[:12], read_state()
    if "first_database" not in state:
        write_state({**state, "first_database": name})
    first = state.get("first_database", name)
    return VAR / "checkpoints" if name == first else VAR / f"checkpoints-{name}"


def manage(arguments: list[str]) -> int:
    """Run a management command with the settings of the demo that was started last."""
    state = read_state()
    os.environ.update(environment(state.get("port", 8000)))
    os.environ.setdefault("TWILIO_IAM_BASE_URL", state.get("standin_url", "https://iam.twilio.com"))
    from portal.commands import run

    run(["manage.py", *arguments])
    return 0


def die_with_parent() -> None:
    """Ask Linux to end this process when the one that started it is gone, however that ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the demo's lock; an earlier demo that is just stopping gets some seconds for it."""
    with (VAR / "demo.lock").open("w") as lock:
        deadline = time.monotonic() + TAKE_OVER_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DemoError("the demo of this checkout is running already; stop it first") from None
                time.sleep(0.2)
        yield


def require_free_port(port: int) -> None:
    """Say early and clearly that the port is taken, after giving a stopping demo time to let go of it."""
    deadline = time.monotonic() + TAKE_OVER_SECONDS
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise DemoError(f"port {port} is in use; choose another with PORT=… make demo") from None
        time.sleep(0.2)


class Processes:
    """The demo's child processes: started together, stopped together."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.env = environment
        self.running: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=self.env,
            text=True,
            start_new_session=True,  # Ctrl-C reaches this process alone, which stops the others in order
            preexec_fn=die_with_parent,  # noqa: PLW1509 the demo has one thread when it starts a process
            **options,
        )
        self.running[name] = process
        return process

    def run(self, *arguments: str) -> None:
        """Run a management command to its end."""
        process = self.start("command", "django", *arguments)
        if process.wait():
            raise DemoError(f"“{arguments[0]}” failed; see above")

    def ended(self) -> str | None:
        """Return the name of a process that has ended, or None."""
        return next((name for name, process in self.running.items() if process.poll() is not None), None)

    def stop(self) -> None:
        """Stop in the reverse order of starting, so that the portal can finish what it asks Twilio."""
        deadline = time.monotonic() + STOP_SECONDS
        for process in reversed(self.running.values()):
            process.terminate()
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Stopped(Exception):
    """A signal asked the demo to stop."""


def _stop(*_: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise Stopped


def serve(port: int) -> int:
    """Run until a signal comes or a process ends; return the exit status."""
    die_with_parent()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        with only_one():
            processes = Processes(environment(port))
            try:
                require_free_port(port)
                start_all(processes, port)
                watch(processes)
            finally:
                processes.stop()
    except Stopped:
        return 0


def watch(processes: Processes) -> NoReturn:
    """Wait for a process to end. The simulator is started again, as Twilio would come back; the others are not."""
    while True:
        name = processes.ended()
        if name == STANDIN:
            print("The simulator of Twilio ended; starting it again.", flush=True)
            start_standin(processes, processes.env["TWILIO_IAM_BASE_URL"].rpartition(":")[2])
        elif name:
            raise DemoError(f"the {name} ended; see above")
        time.sleep(0.3)


def start_all(processes: Processes, port: int) -> None:
    """Start what the demo is made of, each part after what it needs."""
    given = processes.env
    standin = "TWILIO_IAM_BASE_URL" not in given
    start_anew_if_old(given, standin)
    if standin:
        given["TWILIO_IAM_BASE_URL"] = start_standin(processes)
    write_state({**read_state(), "port": port, "standin_url": given["TWILIO_IAM_BASE_URL"]})
    print("Preparing the database and the static files…", flush=True)
    for command in (["migrate", "-v0"], ["collectstatic", "--noinput", "-v0"]):
        processes.run(*command)
    processes.run("demo_data", *(["--history"] if standin else []))
    processes.running.pop("command")
    processes.start("portal", "gunicorn", "-c", "portal/gunicorn_conf.py", "portal.wsgi")
    processes.start("reconciler", "django", "reconcile", "--every", "30")
    processes.start("sender of notices", "django", "send_notices", "--every", "5")
    processes.start("checkpoint signer", "django", "audit_checkpoint", "--every", "60")
    wait_until_ready(processes, f"http://127.0.0.1:{port}/readyz")
    announce(given, port)


def start_anew_if_old(given: dict[str, str], standin: bool) -> None:
    """Move a database that other migrations made away, with what belongs to it. The demo's keys and password stay."""
    belongings = [Path(given["PORTAL_CHECKPOINT_DIR"]), STANDIN_STATE, MAIL]
    try:
        account = given["TWILIO_ACCOUNT_SID"] if standin else ""
        folder = set_aside(given["DATABASE_URL"], belongings=belongings, var=VAR, standin_account=account)
    except NotMoved as error:
        raise DemoError(str(error)) from None
    if folder:
        print(
            f"The database was made before version {__version__} and can't be migrated. It is in "
            f"{folder.relative_to(ROOT)}/ now, with its checkpoints, the simulator's keys and the mail. "
            "The demo starts anew; the password stays.",
            flush=True,
        )


def start_standin(processes: Processes, port: str = "0") -> str:
    """Start the simulator of Twilio, on a free port if it is 0, and return its address."""
    process = processes.start(
        STANDIN,
        "keys_app.twilio_sandbox",
        "--port",
        port,
        "--state",
        str(STANDIN_STATE),
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    for line in process.stdout:
        name, _, value = line.strip().partition("=")
        if name == "TWILIO_API_SECRET":
            break  # the last line; the address came before it
        if name == "TWILIO_IAM_BASE_URL":
            address = value
    else:
        raise DemoError("the simulator of Twilio did not start; see above")
    return address


def wait_until_ready(processes: Processes, url: str) -> None:
    """Wait until the portal answers. Raises `DemoError` if a process ends before, or it takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if name := processes.ended():
            raise DemoError(f"the {name} ended; see above")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise DemoError("the portal did not answer in time")


def announce(given: dict[str, str], port: int) -> None:
    """Print where the portal runs, what its keys are worth, and how to sign in."""
    is_simulator = endpoint_at(urlsplit(given["TWILIO_IAM_BASE_URL"])) is EndpointKind.SIMULATOR
    where = "a simulator of Twilio; keys made here work nowhere" if is_simulator else "a real endpoint: keys are real"
    to_files = given.get("EMAIL_URL") == MAIL_TO_FILES and "EMAIL_URL_FILE" not in given
    mail = f"files in {MAIL.relative_to(ROOT)}/" if to_files else "goes where EMAIL_URL says"
    print(
        f"\nThe portal runs at http://127.0.0.1:{port}\n"
        f"Twilio: {given['TWILIO_IAM_BASE_URL']} ({where})\n"
        "People: engineer, engineer2, lead, lead2, security, admin\n"
        f"Password for all: {given['PORTAL_DEMO_PASSWORD']}\n"
        f"Mail: {mail}\n"
        "Stop with Ctrl-C.",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
