"""Django's admin, opened to the people who approve."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from keys_app.organisation import access


class PortalAdminSite(admin.AdminSite):
    """The portal's admin: signed in to through the portal alone, without Django's own password pages."""

    site_header = "Key portal administration"
    site_title = "Key portal"
    index_title = "Administration"
    site_url = "/"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        """Let in portal admins and approvers; what each may do there is each model's own business."""
        if not request.user.is_active or not request.user.is_authenticated:
            return False
        return request.user.is_superuser or access.person(request.user).is_approver

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
