"""Answers that browsers may keep, and answers that are sent compressed.

Which these are, and why no others: docs/decisions/compressed-pages.md.
"""

import gzip
import re
from dataclasses import dataclass
from functools import cached_property

from django.http import HttpRequest, HttpResponse
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers

_YEAR = 365 * 24 * 60 * 60
_TAKES_GZIP = re.compile(r"\bgzip\b")


class KeptResponse(HttpResponse):
    """An answer that a browser may keep for a year. It is the same for every user, and its address changes with it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self["Cache-Control"] = f"private, max-age={_YEAR}, immutable"


@dataclass(frozen=True)
class KeptBody:
    """What a `KeptResponse` holds, compressed once."""

    plain: bytes

    @cached_property
    def compressed(self) -> bytes:
        """Return it as gzip sends it."""
        return gzip.compress(self.plain, mtime=0)

    def answer(self, request: HttpRequest) -> KeptResponse:
        """Return it as an answer, compressed for a browser that takes it so."""
        is_compressed = bool(_TAKES_GZIP.search(request.headers.get("Accept-Encoding", "")))
        response = KeptResponse(self.compressed if is_compressed else self.plain)
        if is_compressed:
            response["Content-Encoding"] = "gzip"
        patch_vary_headers(response, ["Accept-Encoding"])
        return response


def compressed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return a page compressed, with a length that varies. Only for one in which nothing is what its address says."""
    GZipMiddleware(lambda _: response).process_response(request, response)
    return response
