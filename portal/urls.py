"""The addresses of the whole site, and the pages for what no view answered."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("accounts/", include("portal.account_urls")),
    path("admin/", admin.site.urls),
    path("", include("keys_app.urls")),
]

handler400 = "keys_app.views.http.error_pages.bad_request"
handler403 = "keys_app.views.http.error_pages.forbidden"
handler404 = "keys_app.views.http.error_pages.not_found"
handler500 = "keys_app.views.http.error_pages.server_error"
