"""Wiring that every answer passes through."""

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.middleware import AuthenticationMiddleware, LoginRequiredMiddleware, get_user
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from keys_app.core.errors import HashingBusy, TooLarge
from keys_app.organisation import preferences
from keys_app.organisation.sent_forms import AlreadyMade
from keys_app.users import sessions
from keys_app.users.auth_events import is_ended
from keys_app.views.http import drafts
from keys_app.views.http.error_pages import bad_request
from keys_app.views.http.fresh import NotFresh, sign_in_again
from keys_app.views.http.kept import KeptResponse
from keys_app.views.http.problem import problem
from keys_app.views.http.signed_in import PortalRequest, current_path
from portal import readiness
from portal.serving import body_limits

Handler = Callable[[HttpRequest], HttpResponse]


class ProbeMiddleware:
    """Answers `/healthz` and `/readyz` before anything looks at the request's `Host`.

    A probe knows a process by its address, so it sends another `Host` than users do, or none.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.checks: dict[str, Callable[[HttpRequest], str]] = {"/healthz": lambda _: "", "/readyz": readiness.problem}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        check = self.checks.get(request.path_info)
        if check is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if request.path_info == "/readyz" and "workers" in request.GET:
            status, text = readiness.workers(request)
        else:
            text = check(request)
            status = 503 if text else 200
        body = f"{text or 'ok'}\n" if request.method == "GET" else ""
        return HttpResponse(body, status=status, content_type="text/plain")


class NoStoreMiddleware:
    """Forbids caches, the browser's included, to keep any page.

    A page that may be restored after Back may show what it showed before. Static files do not pass here, and a
    `KeptResponse` says the same to every user.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not isinstance(response, KeptResponse):
            response["Cache-Control"] = "no-store, private"
        return response


class RefuseNulMiddleware:
    """Refuses addresses with a NUL character: no value here has one, and PostgreSQL cannot compare with it.

    A cookie with one is left out, as if it were not sent: a refusal would last until it is deleted.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", "") or "\0" in request.path:
            return bad_request(request, ValueError("NUL"))
        for name in [name for name, value in request.COOKIES.items() if "\0" in name + value]:
            del request.COOKIES[name]
        return self.get_response(request)


class SentOnceMiddleware:
    """Leads a user who sent a form a second time to what it made the first time."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return redirect(exception.path) if isinstance(exception, AlreadyMade) else None


class HashingBusyMiddleware:
    """Says that too many passwords are being tried at this moment, wherever one was to be hashed (503)."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, HashingBusy):
            return None
        portal_request = cast(PortalRequest, request)
        answer = problem(portal_request, exception, back_url=current_path(portal_request), back_label="Try again")
        answer["Retry-After"] = "60"
        return answer


class SessionUserMiddleware(AuthenticationMiddleware):
    """Django's own, but that a session which was ended, or not used for too long, has no user any more."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = cast(User | AnonymousUser, SimpleLazyObject(lambda: self._user(request)))

    def _user(self, request: HttpRequest) -> User | AnonymousUser:
        user = get_user(request)
        if user.is_authenticated and ((why := sessions.why_over(request.session)) or is_ended(request.session, user)):
            request.session.flush()
            request.session_over = why  # type: ignore[attr-defined]
            user = request._cached_user = AnonymousUser()  # type: ignore[attr-defined]  # where Django keeps it
        return user


class TimeZoneMiddleware:
    """Shows times in the zone a user chose, but for the audit: its searches and exports are in UTC, and so are they."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(None):  # a thread serves one user after the other
            return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        match = request.resolver_match
        if request.user.is_authenticated and not (match and match.view_name.startswith("portal:audit_")):
            timezone.activate(preferences.zone_of(request.user))


def is_signed_in(request: HttpRequest) -> bool:
    """Tell whether the session of a request that no middleware has seen is that of a user."""
    SessionMiddleware(_unused).process_request(request)
    SessionUserMiddleware(_unused).process_request(request)
    return request.user.is_authenticated


def _unused(request: HttpRequest) -> HttpResponse:
    raise AssertionError(request)


class BodyLimitMiddleware:
    """Refuses what is larger than its page reads (413). Nothing before it, gunicorn's worker included, reads it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        size = int(length) if length.isdecimal() else 0
        if size > body_limits.SMALL:
            most = body_limits.of_page(request.path_info) if request.user.is_authenticated else body_limits.SMALL
            if size > most:
                error = TooLarge(f"This page reads at most {most // 1024:,} kB. Nothing of what you sent was read.")
                return problem(cast(PortalRequest, request), error, back_url="/", back_label="Home")
        return self.get_response(request)


class SignInMiddleware(LoginRequiredMiddleware):
    """Every page needs a signed-in person unless its view says otherwise.

    htmx would follow a redirect and put the sign-in page into the middle of another one, so it gets a dialog. What was
    typed into a form is kept until its user is signed in again. What matters needs a fresh sign-in.
    """

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponseBase | None:
        answer = super().process_view(request, *view)
        if answer is None and getattr(view[0], "login_required", True):
            sessions.note_use(request)
        if answer is None and request.method == "POST":
            drafts.received(request)
        return answer

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return sign_in_again(cast(PortalRequest, request), exception) if isinstance(exception, NotFresh) else None

    def handle_no_permission(  # type: ignore[override]  # the stubs know of no answer but a redirect
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponse:
        login_url = resolve_url(self.get_login_url(view_func))
        portal_request = cast(PortalRequest, request)
        kept = request.method == "POST" and drafts.keep(request)
        why = getattr(request, "session_over", "")
        if portal_request.htmx:
            next_url = urlencode({"next": current_path(portal_request)})
            context = {"login_url": f"{login_url}?{next_url}", "kept": kept, "why": why}
            return render(request, "portal/partials/session_ended_dialog.html", context, status=401)
        if request.method not in ("GET", "HEAD"):
            what = "What you typed is kept for an hour, for you alone." if kept else "What you sent was not received."
            messages.warning(request, f"{why or 'You were not signed in any more.'} {what}")
        elif why:
            messages.info(request, f"{why} Sign in again.")
        return super().handle_no_permission(request, view_func)
