"""What each reader is told of one of Twilio's errors."""

from .model import ErrorForm

_NUMBERS = (
    "",
    "One known cause",
    "Two causes",
    "Three causes",
    "Four causes",
    "Five causes",
    "Six causes",
    "Seven causes",
)


def for_a_caller(form: ErrorForm) -> str:
    """Return what a developer is told whose own call was answered so."""
    return _joined(f"Error {form.code}: {form.means.words}", causes_of(form), form.caller)


def in_a_line(form: ErrorForm) -> str:
    """Return what it means where Twilio refuses the portal so, and what the one whose turn it is does."""
    return f"{form.means.words} {form.mend}"


def causes_of(form: ErrorForm) -> str:
    """Return what causes an error, counted; empty where nothing is known."""
    listed = "; ".join(f"({number}) {cause.words}" for number, cause in enumerate(form.causes, 1))
    return f"{_NUMBERS[len(form.causes)]}: {listed}." if form.causes else ""


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
