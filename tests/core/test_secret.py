"""A secret is given back by `reveal()` and by nothing else."""

import copy
import dataclasses
import gc
import json
import logging
import pickle
import threading
import traceback

import pytest

from keys_app.core.secret import MASK, Secret, mask_live_secrets

VALUE = "kJ8sN2vQ7wX4zR1tY6uP3mB9cF5hD0gL"


@pytest.fixture
def secret():
    return Secret(VALUE)


def test_it_gives_the_value_when_asked(secret):
    assert secret.reveal() == VALUE


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        format,
        "{}".format,
        "{0!r:>40}".format,
        "{:>40}".format,
        lambda secret: f"{secret} {secret!r} {secret:>40}",
        lambda secret: f"made {secret} and {[secret]!r}",
        lambda secret: repr([secret, {"secret": secret}]),
        lambda secret: repr(ValueError(secret)),
        lambda secret: str(ValueError("refused", secret)),
    ],
)
def test_it_is_masked_when_shown(secret, show):
    assert VALUE not in show(secret)
    assert MASK in show(secret)


def test_it_is_masked_in_a_log(secret, caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").debug("made %s and %r", secret, {"key": secret})
    assert caplog.messages == [f"made {MASK} and {{'key': {MASK}}}"]


def test_it_is_masked_in_a_traceback_with_local_variables(secret):
    def fail(given):
        held = [given]
        raise RuntimeError(f"no use for {held}")

    with pytest.raises(RuntimeError) as raised:
        fail(secret)
    shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    text = "".join(shown.format())
    assert "held = " in text
    assert VALUE not in text


@dataclasses.dataclass
class Holder:
    sid: str
    secret: Secret


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        json.dumps,
        lambda secret: json.dumps({"secret": secret}),
        lambda secret: copy.deepcopy(Holder("SK", secret)),
        lambda secret: dataclasses.asdict(Holder("SK", secret)),
        lambda secret: dataclasses.astuple(Holder("SK", secret)),
        lambda secret: pickle.dumps(Holder("SK", secret)),
        lambda secret: secret.__getstate__(),
        *(lambda secret, n=n: pickle.dumps(secret, n) for n in range(pickle.HIGHEST_PROTOCOL + 1)),
    ],
)
def test_it_cannot_be_copied_or_written_down(secret, copied):
    with pytest.raises(TypeError) as refusal:
        copied(secret)
    assert VALUE not in str(refusal.value)


def test_a_dataclass_shows_it_masked(secret):
    assert repr(Holder("SK", secret)).endswith(f"Holder(sid='SK', secret={MASK})")


def test_it_has_no_dictionary_to_look_into(secret):
    with pytest.raises(TypeError):
        vars(secret)


def test_it_is_equal_to_a_secret_with_the_same_value_only(secret):
    assert secret == Secret(VALUE)
    assert secret != Secret(VALUE[:-1])
    assert secret != VALUE
    assert secret != MASK


def test_it_is_not_empty():
    with pytest.raises(ValueError, match="empty"):
        Secret("")


def test_live_secrets_are_masked_in_any_text(secret):
    text = f"before {VALUE} between {VALUE} after"
    assert mask_live_secrets(text) == f"before {MASK} between {MASK} after"
    assert mask_live_secrets("nothing here") == "nothing here"


def test_a_secret_that_is_gone_is_forgotten():
    value = "gone" * 8
    Secret(value)
    gc.collect()
    assert mask_live_secrets(value) == value


def test_it_stays_masked_while_one_of_two_equal_ones_lives(secret):
    twin = Secret(VALUE)
    del twin
    gc.collect()
    assert mask_live_secrets(VALUE) == MASK


def test_a_secret_inside_another_leaves_no_rest():
    shorter = [Secret(VALUE[:length]) for length in range(8, 30, 3)]
    longer = Secret(VALUE)
    assert mask_live_secrets(VALUE) == MASK
    del shorter, longer


def test_masking_works_while_other_threads_make_secrets():
    """A log line is written in one thread while another one is being given a key."""
    kept = [Secret(f"kept-{number:040}") for number in range(300)]
    failures, done = [], threading.Event()

    def make():
        while not done.is_set():
            [Secret(f"made-{number:040}") for number in range(20)]

    makers = [threading.Thread(target=make) for _ in range(3)]
    for maker in makers:
        maker.start()
    try:
        for _ in range(1000):
            try:
                mask_live_secrets("a line")
            except RuntimeError as error:
                failures.append(error)
    finally:
        done.set()
        for maker in makers:
            maker.join()
    assert len(kept) == 300
    assert failures == []
