"""The demo as a stranger starts it, from a fresh clone, with the README's commands; and what it leaves behind."""

import re
import shutil
import sqlite3
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import requests

from keys_app import __version__

from .checkout import ROOT, Demo, token_in


def _approved(demo: Demo, name: str) -> tuple[requests.Session, str]:
    """Send a request as the engineer, approve it as the lead; return the engineer's session and its address."""
    engineer, lead = demo.sign_in("engineer"), demo.sign_in("lead")
    page = engineer.get(f"{demo.url}/requests/new/", timeout=30).text
    account = re.search(r"AC[0-9a-f]{32}", page)
    assert account
    data = {
        "csrfmiddlewaretoken": token_in(page),
        "account": account.group(),
        "friendly_name": name,
        "purpose": "A test.",
        "lifetime_days": "5",
        "permissions": ["/twilio/billing/usage/read"],
    }
    answer = engineer.post(f"{demo.url}/requests/new/", data=data, timeout=30)
    url = answer.url
    change = url.replace("/requests/", "/admin/keys_app/keyrequest/") + "change/"
    page = lead.get(change, timeout=30).text
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert digest
    data = {"csrfmiddlewaretoken": token_in(page), "digest": digest.group(1), "decision": "approve"}
    assert lead.post(change, data=data, timeout=30).status_code == 200
    return engineer, url


def _press(session: requests.Session, demo: Demo, url: str) -> requests.Response:
    page = session.get(url, timeout=60).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    return session.post(url + "issue/", data={"csrfmiddlewaretoken": token.group(1)}, timeout=60)


def _secret(page: str) -> str:
    match = re.search(r'<code id="key-secret"[^>]*>([^<]+)</code>', page)
    return match.group(1) if match else ""


def test_it_starts_with_the_commands_of_the_readme(demo: Demo):
    readme = (ROOT / "README.md").read_text()
    assert "\nmake demo\n" in readme
    assert f"http://127.0.0.1:{demo.port}" in demo.output
    assert demo.sign_in("security").get(f"{demo.url}/audit/", timeout=30).status_code == 200
    assert stat.S_IMODE((demo.directory / "var" / "demo.json").stat().st_mode) == 0o600
    assert "0 attempts still open" in demo.manage("reconcile")
    assert demo.manage("version") == f"{__version__}\n"


def test_it_makes_one_key_of_twenty_presses(demo: Demo):
    session, url = _approved(demo, "twenty-presses")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: _press_with(session, demo, url), range(20)))
    secrets = {_secret(answer.text) for answer in answers} - {""}
    assert len(secrets) == 1
    assert sorted(answer.status_code for answer in answers)[0] == 200
    assert {answer.status_code for answer in answers} <= {200, 409, 503}  # or busy, before anything began
    assert sum(bool(_secret(answer.text)) for answer in answers) == 1
    name = re.compile(r"twenty-presses \[kp:")
    assert len([key for key in _keys_at_twilio(demo) if name.match(key["friendly_name"] or "")]) == 1


def _press_with(session: requests.Session, demo: Demo, url: str) -> requests.Response:
    copy = requests.Session()
    copy.trust_env = False
    copy.cookies.update(session.cookies)
    token = token_in(copy.get(f"{demo.url}/requests/new/", timeout=60).text)
    return copy.post(url + "issue/", data={"csrfmiddlewaretoken": token}, timeout=60)


def _keys_at_twilio(demo: Demo) -> list[dict]:
    import json

    state = json.loads((demo.directory / "var" / "demo.json").read_text())
    session = requests.Session()
    session.trust_env = False
    credential = (state["TWILIO_API_KEY"], state["TWILIO_API_SECRET"])
    return session.get(f"{demo.standin_url}/_sandbox/keys", auth=credential, timeout=30).json()["keys"]


def test_it_writes_its_mail_into_files(demo: Demo):
    _, url = _approved(demo, "read-your-mail")
    deadline = time.monotonic() + 60
    while url not in (mail := _mail(demo)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert 'Subject: [Key portal] "read-your-mail" is approved' in mail
    assert "To: engineer@example.test" in mail
    assert "To: lead@example.test" in mail


def _mail(demo: Demo) -> str:
    return "".join(path.read_text() for path in (demo.directory / "var" / "mail").glob("*"))


def test_it_leaves_the_secret_nowhere(demo: Demo):
    session, url = _approved(demo, "search-for-it")
    secret = _secret(_press(session, demo, url).text)
    assert len(secret) == 32
    session.get(url, timeout=30)
    demo.manage("reconcile")
    places = {path: path.read_bytes() for path in _files(demo.directory)}
    places[Path("output")] = demo.output.encode()
    if database := demo.environment.get("DATABASE_URL"):
        places[Path("database")] = _dump(database)
    assert any(path.suffix == ".sqlite3" for path in places) or Path("database") in places
    assert [str(path) for path, content in places.items() if secret.encode() in content] == []


def _files(directory: Path) -> list[Path]:
    """Return every file of the clone but the installed packages: database, sessions, state, static files."""
    return [path for path in directory.rglob("*") if path.is_file() and ".venv" not in path.parts]


def _dump(url: str) -> bytes:
    """Return every table of a PostgreSQL database as text: sessions and mail queues would be among them."""
    text = b""
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (name,) in names:
            with connection.cursor().copy(f'COPY "{name}" TO STDOUT') as rows:  # type: ignore[arg-type]
                text += b"".join(bytes(row) for row in rows)
    return text


def test_it_starts_again_after_being_killed(demo: Demo):
    before = demo.password
    demo.kill()
    demo.start()
    assert demo.password == before
    page = demo.sign_in("engineer").get(f"{demo.url}/keys/", timeout=30).text
    assert "billing-report" in page


def test_it_starts_anew_on_an_old_database_and_keeps_the_old_one(demo: Demo):
    """The old one is put back afterwards: other tests are signed in there."""
    password, url, var = demo.password, demo.environment.get("DATABASE_URL"), demo.directory / "var"
    _approved(demo, "before-the-update")
    demo.stop()
    _make_old(url, var / "demo.sqlite3")
    if url:
        command = {"cwd": demo.directory, "env": demo.environment, "capture_output": True, "text": True}
        refused = subprocess.run(["make", "demo"], check=False, **command)
        assert refused.returncode != 0
        assert "made by other migrations" in refused.stderr and "createdb " in refused.stderr
    else:
        demo.start()
        folder = re.search(r"It is in (var/old-[\d-]+)/ now", demo.output)
        assert folder, demo.output
        assert demo.password == password
        assert "billing-report" in demo.sign_in("engineer").get(f"{demo.url}/keys/", timeout=30).text
        assert "before-the-update" not in demo.sign_in("security").get(f"{demo.url}/audit/", timeout=30).text
        demo.manage("audit_verify")
        demo.stop()
        _put_back(demo.directory / folder[1], var)
    _make_old(url, var / "demo.sqlite3", back=True)
    demo.start()
    assert "before-the-update" in demo.sign_in("security").get(f"{demo.url}/audit/", timeout=30).text


def _make_old(url: str | None, path: Path, back: bool = False) -> None:
    """Let the database say that other migrations made it, or say the truth again."""
    names = ["0002_of_another_time", "0001_initial"]
    mark = "%s" if url else "?"
    statement = f"UPDATE django_migrations SET name = {mark} WHERE app = 'keys_app' AND name = {mark}"
    with psycopg.connect(url) if url else closing(sqlite3.connect(path)) as database:
        database.execute(statement, names[::-1] if back else names)  # type: ignore[arg-type]
        database.commit()


def _put_back(folder: Path, var: Path) -> None:
    kept = list(folder.iterdir())
    assert {path.name for path in kept} == {"demo.sqlite3", "checkpoints", "mail", "twilio_standin.json"}
    for path in kept:
        new = var / path.name
        if new.is_dir():
            shutil.rmtree(new)
        path.replace(new)
