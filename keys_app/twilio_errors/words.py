"""What each reader is told of one of Twilio's errors."""

from .model import ErrorForm, Fact

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
    return _joined(f"Error {form.code}: {form.means.words}", _causes(form.causes), form.caller)


def for_an_admin(form: ErrorForm) -> str:
    """Return what portal admins and Security are told where Twilio refuses the portal so."""
    return _joined(form.means.words, _causes(form.causes), form.mend)


def in_a_line(form: ErrorForm) -> str:
    """Return the same without the causes, for a line of a table."""
    return f"{form.means.words} {form.mend}"


def _causes(causes: tuple[Fact, ...]) -> str:
    listed = "; ".join(f"({number}) {cause.words}" for number, cause in enumerate(causes, 1))
    return f"{_NUMBERS[len(causes)]}: {listed}." if causes else ""


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
