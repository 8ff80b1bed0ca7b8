"""The addresses of the portal's pages."""

from django.urls import path, re_path

from keys_app.views import deputies, home, keys, reconciliation, requests, reviews, revoke_several, unmanaged
from keys_app.views.audit import downloads, events, feeds, key, reports, verify
from keys_app.views.builder import catalogue, pages

app_name = "portal"
KEY = r"^keys/(?P<sid>SK[0-9a-fA-F]{32})/"
UNMANAGED = r"^keys/unmanaged/(?P<sid>SK[0-9a-fA-F]{32})/"
AUDITED_KEY = r"^audit/keys/(?P<sid>SK[0-9a-fA-F]{32})/$"

urlpatterns = [
    path("", home.home, name="home"),
    path("requests/", requests.request_list, name="request_list"),
    path("requests/new/", pages.request_new, name="request_new"),
    re_path(
        "^requests/new/permissions/(?P<version>[0-9a-f]{16})/$",
        catalogue.request_permissions,
        name="request_permissions",
    ),
    path("requests/<uuid:request_id>/", requests.request_detail, name="request_detail"),
    path("requests/<uuid:request_id>/issue/", requests.request_issue, name="request_issue"),
    path("requests/<uuid:request_id>/cancel/", requests.request_cancel, name="request_cancel"),
    path("requests/<uuid:request_id>/comment/", requests.request_comment, name="request_comment"),
    path("requests/<uuid:request_id>/nudge/", requests.request_nudge, name="request_nudge"),
    path("deputies/", deputies.deputies, name="deputies"),
    path("deputies/<int:delegation_id>/end/", deputies.deputy_end, name="deputy_end"),
    path("keys/", keys.key_list, name="key_list"),
    path("keys/revoke/", revoke_several.key_revoke_several, name="key_revoke_several"),
    re_path(KEY + "$", keys.key_detail, name="key_detail"),
    re_path(KEY + "confirm/$", keys.key_confirm, name="key_confirm"),
    re_path(KEY + "replace/$", keys.key_replace, name="key_replace"),
    re_path(KEY + "revoke/$", keys.key_revoke, name="key_revoke"),
    re_path(KEY + "rotate/$", keys.key_rotate, name="key_rotate"),
    re_path(KEY + "take-over/$", keys.key_take_over, name="key_take_over"),
    path("keys/left/", keys.left_list, name="key_left_list"),
    path("keys/unmanaged/", unmanaged.unmanaged_list, name="unmanaged_list"),
    re_path(UNMANAGED + "$", unmanaged.unmanaged_detail, name="unmanaged_detail"),
    re_path(UNMANAGED + "adopt/$", unmanaged.adopt, name="unmanaged_adopt"),
    re_path(UNMANAGED + "keep/$", unmanaged.keep, name="unmanaged_keep"),
    re_path(UNMANAGED + "delete/$", unmanaged.delete, name="unmanaged_delete"),
    re_path(UNMANAGED + "propose/$", unmanaged.propose, name="unmanaged_propose"),
    path("reconciliation/", reconciliation.reconciliation, name="reconciliation"),
    path("reconciliation/resume/", reconciliation.resume, name="reconciliation_resume"),
    path("audit/", events.audit_list, name="audit_list"),
    path("audit/complete/", events.audit_complete, name="audit_complete"),
    path("audit/<int:sequence>/", events.audit_event, name="audit_event"),
    path("audit/export.csv", downloads.export_csv, name="export_csv"),
    path("audit/export.jsonl", downloads.export_jsonl, name="export_jsonl"),
    path("audit/export.ocsf.jsonl", downloads.export_ocsf, name="export_ocsf"),
    path("audit/feed", feeds.audit_feed, name="audit_feed"),
    path("audit/feeds/", feeds.audit_feeds, name="audit_feeds"),
    path("audit/feeds/revoke/", feeds.feed_revoke, name="feed_revoke"),
    re_path(AUDITED_KEY, key.audit_key, name="audit_key"),
    path("audit/reports/", reports.reports, name="audit_reports"),
    path("audit/reports/keys/", reports.report_keys, name="audit_report_keys"),
    path("audit/reports/decisions/", reports.report_decisions, name="audit_report_decisions"),
    path("audit/reports/about.jsonl", reports.report_about, name="audit_report_about"),
    path("reviews/", reviews.review_list, name="review_list"),
    path("reviews/<str:quarter>/", reviews.review_detail, name="review_detail"),
    path("reviews/<str:quarter>/decide/", reviews.review_decide, name="review_decide"),
    path("reviews/<str:quarter>/close/", reviews.review_close, name="review_close"),
    path("audit/verify/", verify.audit_verify, name="audit_verify"),
    path("audit/verifier.py", verify.audit_verifier, name="audit_verifier"),
]
