"""The page that verifies the ledger, and the file that does it without the portal."""

from pathlib import Path

import pytest

from keys_app.audit import offline_verifier
from keys_app.audit.ledger import matching
from keys_app.audit.merkle import checkpoints
from keys_app.views.audit import verify
from tests.cast import text_of

from .tampering import fill

PAGE, FILE = "/audit/verify/", "/audit/verifier.py"


@pytest.mark.parametrize(
    ("role", "status"), [("security", 200), ("engineer", 403), ("lead", 403), ("admin", 403), ("stranger", 403)]
)
def test_it_is_for_security_only(cast, role, status):
    client = cast.client(role)
    assert [client.get(PAGE).status_code, client.get(FILE).status_code] == [status, status]
    answer = client.post(PAGE)
    assert answer.status_code == status
    list(answer)
    assert matching(action="audit.verified").exists() == (role == "security")


def test_it_shows_that_nothing_is_known_yet(cast):
    page = text_of(cast.client("security").get(PAGE))
    assert "Nobody has verified this ledger yet" in page
    assert "None was signed yet" in page


def test_it_shows_the_result_and_the_checkpoint(cast):
    cast.ask()
    checkpoints.sign()
    client = cast.client("security")
    answer = client.post(PAGE)
    body = b"".join(answer.streaming_content).decode()
    assert "Sound" in body
    assert "1 of 1 events." in body
    page = text_of(client.get(PAGE))
    assert "By Security Person (security) Verified 1 event, 2 checkpoints" in page
    assert "1 of 2; 1 came after it" in page
    assert str(checkpoints.signer().verifier) in page
    assert matching(action="audit.verified").get().actor_name == "Security Person"


def test_it_says_what_is_missing_without_a_key(cast, settings):
    settings.AUDIT_SIGNING_KEY = ""
    assert "Set PORTAL_AUDIT_SIGNING_KEY" in text_of(cast.client("security").get(PAGE))


def begun(client):
    """Return an answer of which the first two pieces were read: it is verifying."""
    answer = client.post(PAGE)
    pieces = iter(answer._iterator)
    assert b"Verifying" in next(pieces)
    assert b"events to verify" in next(pieces)
    return answer


def test_only_one_runs_at_a_time(cast):
    client = cast.client("security")
    first = begun(client)
    second = client.post(PAGE)
    assert second.status_code == 409
    assert "running already" in text_of(second)
    first._iterator.close()
    assert begun(client)._iterator.close() is None


def test_leaving_the_page_stops_it_and_records_nothing(cast):
    fill(5)
    begun(cast.client("security"))._iterator.close()
    assert not matching(action="audit.verified").exists()
    assert not verify._running.locked()


def test_it_hands_out_the_file_as_it_is(cast):
    answer = cast.client("security").get(FILE)
    assert answer["Content-Disposition"] == 'attachment; filename="verifier.py"'
    text = b"".join(answer.streaming_content)
    compile(text, "verifier.py", "exec")
    with Path(offline_verifier.__file__).open("rb") as file:
        assert text == file.read()
