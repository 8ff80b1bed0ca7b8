"""Reading calls of Twilio's official SDKs, whatever their language, and commands of its CLI.

The names follow from `endpoints.tsv` by the rules of Twilio's generators (`sdk_names.py`); each family of languages
has its grammar in a module of its own.
"""

from collections.abc import Iterator

from keys_app.permissions.catalogue import Catalogue

from .model import Suggestion
from .sdk_chains import read_chains
from .sdk_cli import read_cli
from .sdk_go import read_go
from .sdk_source import SourceCode
from .sdk_statics import read_statics


def read_sdk(text: str, known: Catalogue) -> Iterator[Suggestion | str]:
    """Yield what each call of an SDK and each command of the CLI in `text` leads to."""
    source = SourceCode(text)
    yield from read_chains(source, known)
    yield from read_statics(source, known)
    yield from read_go(source, known)
    yield from read_cli(text, known)
