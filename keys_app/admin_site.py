"""Django's admin, opened to the people who approve."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from keys_app.organisation import access
from keys_app.views.http.fresh import require_fresh

_View = TypeVar("_View", bound=Callable[..., Any])
DECIDE_THEMSELVES = {
    "keys_app_keyrequest_change",  # above low risk alone: approvals.decision
    "keys_app_keyrequest_changelist",  # leads to the next, and changes nothing
    "keys_app_keyrequest_several",  # low risk alone: key_requests.decide
    "logout",
}
"""The admin's pages that take a form without a fresh sign-in, or ask for one where it matters."""
TAKE_A_SECRET = {
    "keys_app_webhook_add",
    "keys_app_webhook_change",
    "auth_user_password_change",
}
"""Their forms are not even shown without one: what is typed into them is not kept."""

ORDER = ["keyrequest", "user", "group", "team", "account", "approvalrule", "webhook", "cataloguepermission",
         "providergroup", "identity"]  # fmt: skip
"""How the front page lists what is there; anything else comes last."""
APPROVALS = ("Approvals", "Read the requests that wait for a decision, and approve, narrow or reject them.")


@dataclass(frozen=True, slots=True)
class Task:
    """What a user may look after, on the front page."""

    title: str
    what_for: str
    url: str


class PortalAdminSite(admin.AdminSite):
    """The portal's admin: signed in to through the portal alone, without Django's own password pages."""

    site_header = "Key portal administration"
    site_title = "Key portal"
    index_title = "Administration"
    site_url = "/"
    enable_nav_sidebar = False
    empty_value_display = "None"

    def has_permission(self, request: HttpRequest) -> bool:
        """Let in portal admins and approvers; what each may do there is each model's own business."""
        if not request.user.is_active or not request.user.is_authenticated:
            return False
        return request.user.is_superuser or access.person(request.user).is_approver

    def admin_view(self, view: _View, cacheable: bool = False) -> _View:
        """Let a form be sent, and one that takes a secret be opened, only after a fresh sign-in."""

        @wraps(view)
        def after_fresh_sign_in(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            name = request.resolver_match.url_name if request.resolver_match else ""
            if name in TAKE_A_SECRET or (request.method == "POST" and name not in DECIDE_THEMSELVES):
                require_fresh(request)
            return view(request, *args, **kwargs)

        return super().admin_view(cast(_View, after_fresh_sign_in), cacheable)

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """Say in words what this person may look after."""
        context = {**self.each_context(request), "title": self.index_title, "tasks": self._tasks(request)}
        request.current_app = self.name
        return TemplateResponse(request, self.index_template or "admin/index.html", context)

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Any = None) -> TemplateResponse:
        """Show the same: to people there are no apps. Raises `Http404` for who may see nothing of it."""
        if not self.get_app_list(request, app_label):
            raise Http404("nothing here")
        return self.index(request)

    def _tasks(self, request: HttpRequest) -> list[Task]:
        pages: list[Any] = [page for page in self._registry.values() if page.has_view_permission(request)]
        place = {name: number for number, name in enumerate(ORDER)}
        pages.sort(key=lambda page: place.get(page.opts.model_name, len(place)))
        return [self._task(page) for page in pages]

    def _task(self, page: Any) -> Task:
        title, what_for = APPROVALS if page.opts.model_name == "keyrequest" else (page.many, page.what_for)
        return Task(title, what_for, reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist"))

    def get_urls(self) -> list[Any]:
        """Leave out what would tell strangers that an object exists, or change a password without an event."""
        left_out = ("view_on_site", "password_change", "password_change_done")
        return [url for url in super().get_urls() if getattr(url, "name", None) not in left_out]

    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:
        """Send people to the portal's own sign-in: one way in, with its rate limit."""
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise PermissionDenied(
                "You decide no requests, or not any more. If you pressed a button, nothing was done."
            )
        return redirect_to_login(reverse("admin:index"))
