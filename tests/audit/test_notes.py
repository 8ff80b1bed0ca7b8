"""Signed notes and checkpoints, against the published example and against everything that is nearly one."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.audit.merkle.signed_note import (
    BadKey,
    BadNote,
    Checkpoint,
    SignerKey,
    VerifierKey,
    open_checkpoint,
    open_note,
)

# The example of golang.org/x/mod/sumdb/note, where the format comes from.
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PUBLISHED_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PUBLISHED_SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
NAME = "portal.example/audit"
KEY = SignerKey(NAME, b"k" * 32)
NOTE = KEY.sign(Checkpoint(NAME, 5, b"r" * 32).text)


def test_it_reads_and_writes_the_published_example():
    note = f"{PUBLISHED_TEXT}\n{PUBLISHED_SIGNATURE}"
    key = VerifierKey.parse(PUBLISHED_KEY)
    assert str(key) == PUBLISHED_KEY
    assert open_note(note, [key]) == (PUBLISHED_TEXT, key)
    signer = SignerKey("PeterNeumann", PUBLISHED_SEED)
    assert signer.verifier == key
    assert signer.sign(PUBLISHED_TEXT) == note


def test_a_checkpoint_has_the_form_of_the_specification():
    root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
    text = f"example.com/behind-the-sofa\n20852163\n{root}\n"
    checkpoint = Checkpoint("example.com/behind-the-sofa", 20852163, base64.b64decode(root))
    assert checkpoint.text == text
    assert Checkpoint.parse(text) == checkpoint
    assert Checkpoint.parse(text + "an extension\n") == checkpoint


@given(st.integers(0, 10**18), st.binary(min_size=32, max_size=32))
def test_a_signed_checkpoint_comes_back(size, root):
    checkpoint = Checkpoint(NAME, size, root)
    assert open_checkpoint(KEY.sign(checkpoint.text), [KEY.verifier]) == (checkpoint, KEY.verifier)


@given(st.data())
def test_no_changed_byte_is_taken(data):
    raw = bytearray(NOTE.encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((BadNote, UnicodeDecodeError)):
        open_checkpoint(raw.decode(), [KEY.verifier])


def test_other_peoples_signatures_are_left_alone():
    witness = SignerKey("witness.example", b"w" * 32)
    line = witness.sign(Checkpoint.parse(NOTE.split("\n\n")[0] + "\n").text).split("\n\n")[1]
    for note in (NOTE + line, NOTE.replace("— ", line + "— ", 1)):
        assert open_checkpoint(note, [KEY.verifier])[1] == KEY.verifier
        with pytest.raises(BadNote, match="known"):
            open_checkpoint(note, [SignerKey(NAME, b"x" * 32).verifier])


def test_a_key_signs_checkpoints_of_its_own_log_only():
    note = KEY.sign(Checkpoint("elsewhere.example/audit", 5, b"r" * 32).text)
    with pytest.raises(BadNote, match="does not sign checkpoints of elsewhere"):
        open_checkpoint(note, [KEY.verifier])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        NOTE[:-1],
        NOTE.replace("—", "-"),
        NOTE + "— a b c\n",
        NOTE.replace("5\n", "5\r\n", 1),
        NOTE + "— x AAAA\n" * 20,
        KEY.sign("portal.example/audit\n05\n" + "A" * 43 + "=\n"),
        KEY.sign("portal.example/audit\n-5\n" + "A" * 43 + "=\n"),
        KEY.sign("portal.example/audit\n٥\n" + "A" * 43 + "=\n"),
        KEY.sign("portal.example/audit\n5\nAAAA\n"),
        KEY.sign("portal.example/audit\n5\n" + "A" * 42 + "B=\n"),
        KEY.sign("portal.example/audit\n5\n"),
        KEY.sign("portal.example/audit\n5\n" + "A" * 43 + "=\n\nafter an empty line\n"),
    ],
)
def test_what_is_no_checkpoint_is_refused(note):
    with pytest.raises(BadNote):
        open_checkpoint(note, [KEY.verifier])


@pytest.mark.parametrize("text", ["", "a", "a+b", "a+b+c", PUBLISHED_KEY[1:], PUBLISHED_KEY[:-1],
                                  PUBLISHED_KEY.replace("c7", "c8"), "a b+00000000+" + "A" * 44])  # fmt: skip
def test_what_is_no_verifier_key_is_refused(text):
    with pytest.raises(BadKey):
        VerifierKey.parse(text)


@pytest.mark.parametrize("text", ["", "x", "AAAA", base64.b64encode(b"k" * 31).decode(), "k" * 32])
def test_what_is_no_signing_key_is_refused(text):
    with pytest.raises(BadKey, match="32 random bytes"):
        SignerKey.parse(NAME, text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b"])
def test_a_name_has_no_spaces_and_no_plus(name):
    with pytest.raises(BadKey):
        SignerKey(name, b"k" * 32)
