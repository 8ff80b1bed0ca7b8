"""The catalogue of permissions as it is now."""

from functools import cache, lru_cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import CharField, Value

from keys_app.permissions.catalogue import Catalogue, catalogue, extended, read_additions

from .models import CatalogueObservation, CataloguePermission


def current_catalogue() -> Catalogue:
    """Return the catalogue as it is now: the package's, the operator's file and entries, what accounts said.

    One query. The merge is remembered for the same data, so it is right whichever process changed them.
    Raises `ImproperlyConfigured`, naming the line, if `PORTAL_CATALOGUE_FILE` cannot be read.
    """
    entries = CataloguePermission.objects.order_by().values_list("name", "meaning", "removed")
    no_meaning = Value(None, output_field=CharField())
    answers = CatalogueObservation.objects.order_by().values_list("permission", no_meaning, "accepted")
    rows = list(entries.union(answers))
    typed = tuple(sorted(row for row in rows if row[1] is not None))
    return _merged(settings.CATALOGUE_FILE, typed, frozenset((row[0], row[2]) for row in rows if row[1] is None))


@lru_cache(maxsize=2)
def _merged(path: str, entries: tuple[tuple[str, str, bool], ...], answers: frozenset[tuple[str, bool]]) -> Catalogue:
    added = [*_additions(path), *((name, meaning) for name, meaning, _ in entries)]
    removed = [name for name, _, is_removed in entries if is_removed]
    observed = {name: (name, True) in answers for name, _ in answers}
    return extended(catalogue(), added=added, removed=removed, observed=observed)


@cache
def _additions(path: str) -> tuple[tuple[str, str], ...]:
    """Read the operator's file, once for each process. No file, no additions."""
    try:
        return read_additions(Path(path).read_text(encoding="utf-8-sig")) if path else ()
    except OSError:
        raise ImproperlyConfigured(f"PORTAL_CATALOGUE_FILE: {path} cannot be read.") from None
    except ValueError as error:
        raise ImproperlyConfigured(f"PORTAL_CATALOGUE_FILE: {path}, {error}.") from None
