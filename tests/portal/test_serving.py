"""How gunicorn is told to serve, and what it refuses to be told."""

import pytest

from .test_settings import NEEDED, refusal, run

SHOW = "from runpy import run_path; c = run_path('portal/gunicorn_conf.py'); print({shown})"
CHECK = ("-m", "gunicorn", "-c", "portal/gunicorn_conf.py", "--check-config", "portal.wsgi")


def conf(shown, **environment):
    answer = run("-c", SHOW.format(shown=shown), **environment)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def conf_refusal(**environment):
    """Return the one line that gunicorn says when it does not start."""
    answer = run(*CHECK, **NEEDED, **environment)
    assert answer.returncode != 0
    assert answer.stdout == ""
    return answer.stderr.strip()


def test_it_has_defaults_that_fit_together():
    names = "c['bind'], c['workers'], c['threads'], c['timeout'], c['graceful_timeout']"
    assert conf(names) == "127.0.0.1:8000 2 16 70 70"


def test_it_waits_longer_than_two_calls_may_take(tmp_path):
    deadline = tmp_path / "deadline"
    deadline.write_text("100.5\n")
    assert conf("c['graceful_timeout']", PORTAL_TWILIO_DEADLINE="100.5") == "211"
    assert conf("c['graceful_timeout']", PORTAL_TWILIO_DEADLINE_FILE=str(deadline)) == "211"


@pytest.mark.parametrize(("threads", "calls"), [("16", "6"), ("100", "6"), ("8", "3"), ("2", "1")])
def test_it_leaves_threads_for_people_who_only_browse(threads, calls):
    show = "import portal.settings as s; print(s.TWILIO_CONCURRENCY)"
    assert run("-c", show, **NEEDED, PORTAL_THREADS=threads).stdout.strip() == calls


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORTAL_WORKERS", "0", "must be a whole number from 1 to 64"),
        ("PORTAL_WORKERS", "two", "must be a whole number from 1 to 64"),
        ("PORTAL_THREADS", "1", "must be a whole number from 2 to 256"),
        ("PORTAL_THREADS", "1_6", "must be a whole number from 2 to 256"),
        ("PORTAL_TWILIO_CONCURRENCY", "0", "must be a whole number from 1 to 255"),
        ("PORTAL_TWILIO_CONCURRENCY", "16", "must be less than PORTAL_THREADS (16)"),
        ("PORTAL_TWILIO_DEADLINE", "-1", "must be a number from 0.1 to 300"),
        ("PORTAL_TWILIO_DEADLINE", "nan", "must be a number from 0.1 to 300"),
    ],
)
def test_it_refuses_nonsense_in_one_line(name, value, words):
    answer = conf_refusal(**{name: value})
    assert answer.startswith(f"gunicorn: {name}")
    assert words in answer
    assert len(answer.splitlines()) == 1


@pytest.mark.parametrize("name", ["PORTAL_TWILIO_READ_TIMEOUT", "PORTAL_TWILIO_CONNECT_TIMEOUT"])
@pytest.mark.parametrize("value", ["", "soon", "0", "inf"])
def test_the_settings_refuse_a_wait_that_is_none(name, value):
    assert f"{name} must be a number from 0.1 to 300, not “{value}”." in refusal(**{name: value})
