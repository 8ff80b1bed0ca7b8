"""Downloads of what a search of the audit finds."""

from collections.abc import Iterable

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from keys_app.core.errors import PortalError
from keys_app.core.times import stamp
from keys_app.reports import downloads
from keys_app.views.http.actor import actor_of
from keys_app.views.http.decorators import security_only
from keys_app.views.http.fresh import fresh_download
from keys_app.views.http.problem import problem
from keys_app.views.http.signed_in import SignedInRequest

from .events import asked

_TYPES = {
    "csv": ("text/csv; charset=utf-8", "csv"),
    "jsonl": ("application/x-ndjson", "jsonl"),
    "ocsf": ("application/x-ndjson", "ocsf.jsonl"),
}


def _download(request: SignedInRequest, kind: str) -> HttpResponseBase:
    bom = request.GET.get("for") == "spreadsheet"
    try:
        pieces = downloads.export_search(kind=kind, query=asked(request), actor=actor_of(request), bom=bom)
    except PortalError as error:
        back = f"{reverse('portal:audit_list')}?{request.META.get('QUERY_STRING', '')}".rstrip("?")
        return problem(request, error, back_url=back, back_label="Back to the audit")
    return download(pieces, *_TYPES[kind], name=f"audit-{stamp(timezone.now())}")


def download(pieces: Iterable[bytes], content_type: str, ending: str, *, name: str) -> StreamingHttpResponse:
    """Send pieces as a file, each as soon as it is there."""
    answer = StreamingHttpResponse(pieces, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{name}.{ending}"'
    return answer


@require_GET
@security_only
@fresh_download
def export_csv(request: SignedInRequest) -> HttpResponseBase:
    """Send what the search finds as CSV; with `?for=spreadsheet` as spreadsheets know it for UTF-8."""
    return _download(request, "csv")


@require_GET
@security_only
@fresh_download
def export_jsonl(request: SignedInRequest) -> HttpResponseBase:
    """Send what the search finds as JSON Lines with proofs."""
    return _download(request, "jsonl")


@require_GET
@security_only
@fresh_download
def export_ocsf(request: SignedInRequest) -> HttpResponseBase:
    """Send what the search finds as OCSF events."""
    return _download(request, "ocsf")
