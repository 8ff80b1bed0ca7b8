"""One page of a list, newest first, and the address of the next."""

from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import Http404
from django.http.response import HttpResponseBase

from keys_app.core.times import rfc3339

from .signed_in import SignedInRequest

PAGE_SIZE = 50


Row = TypeVar("Row", bound=Model)
Answer = TypeVar("Answer", bound=HttpResponseBase)


def newest_first(request: SignedInRequest, rows: QuerySet[Row], time_field: str) -> tuple[list[Row], str | None]:
    """Return one page ordered by time and key, newest first, and the address of the next one or None.

    The next page starts after the last row shown, however many come in between.

    The place to start is in `?after=TIME~KEY`. Raises `Http404` if it is not one.
    """
    rows = rows.order_by(f"-{time_field}", "-pk")
    after = request.GET.get("after")
    if after:
        moment, key = _parse(after)
        try:
            rows = rows.filter(Q(**{f"{time_field}__lt": moment}) | Q(**{time_field: moment, "pk__lt": key}))
            page = list(rows[: PAGE_SIZE + 1])
        except (ValueError, ValidationError) as error:  # a key of the wrong shape
            raise Http404("no such page") from error
    else:
        page = list(rows[: PAGE_SIZE + 1])
    if len(page) <= PAGE_SIZE:
        return page, None
    page = page[:PAGE_SIZE]
    cursor = f"{rfc3339(getattr(page[-1], time_field), 'auto')}~{page[-1].pk}"
    return page, "?" + urlencode({**request.GET.dict(), "after": cursor})


def _parse(after: str) -> tuple[datetime, str]:
    moment, _, key = after.partition("~")
    try:
        parsed = datetime.fromisoformat(moment)
        parsed_utc = parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Http404("no such page") from error
    if parsed.tzinfo is None or not key:
        raise Http404("no such page")
    return parsed_utc, key
