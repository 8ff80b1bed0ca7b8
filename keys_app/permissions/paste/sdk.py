"""Reading calls of Twilio's official SDKs, whatever their language, and commands of its CLI.

The names follow from `endpoints.tsv` by the rules of Twilio's generators (`sdk_names.py`); each family of languages
has its grammar in a module of its own.
"""

import re
from collections.abc import Iterator

from keys_app.permissions.catalogue import Catalogue

from .model import Suggestion
from .sdk_chains import read_chains
from .sdk_cli import read_cli
from .sdk_go import read_go
from .sdk_source import SourceCode
from .sdk_statics import read_statics

_ADDED = re.compile(r"^(?:@@ -\d|\+[ \t\w])", re.MULTILINE)
_REMOVED = re.compile(r"^-[^\n]*", re.MULTILINE)


def read_sdk(text: str, known: Catalogue) -> Iterator[Suggestion | str]:
    """Yield what each call of an SDK and each command of the CLI in `text` leads to."""
    text = _without_removed_lines(text)
    source = SourceCode(text)
    yield from read_chains(source, known)
    yield from read_statics(source, known)
    yield from read_go(source, known)
    yield from read_cli(text, known)


def _without_removed_lines(text: str) -> str:
    """Return a change of code, as `git diff` shows it, without what it takes out; other text as it is."""
    return _REMOVED.sub("", text) if _ADDED.search(text) else text
