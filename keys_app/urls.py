from django.urls import path, re_path

from .views import audit, audit_verify, builder, health, home, keys, requests

app_name = "portal"
KEY = r"^keys/(?P<sid>SK[0-9a-fA-F]{32})/"

urlpatterns = [
    path("", home.home, name="home"),
    path("requests/", requests.request_list, name="request_list"),
    path("requests/new/", builder.request_new, name="request_new"),
    path("requests/<uuid:request_id>/", requests.request_detail, name="request_detail"),
    path("requests/<uuid:request_id>/issue/", requests.request_issue, name="request_issue"),
    path("requests/<uuid:request_id>/cancel/", requests.request_cancel, name="request_cancel"),
    path("keys/", keys.key_list, name="key_list"),
    re_path(KEY + "$", keys.key_detail, name="key_detail"),
    re_path(KEY + "confirm/$", keys.key_confirm, name="key_confirm"),
    re_path(KEY + "replace/$", keys.key_replace, name="key_replace"),
    re_path(KEY + "revoke/$", keys.key_revoke, name="key_revoke"),
    path("audit/", audit.audit_list, name="audit_list"),
    path("audit/verify/", audit_verify.audit_verify, name="audit_verify"),
    path("audit/verifier.py", audit_verify.audit_verifier, name="audit_verifier"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
