"""What an error page is about: the button that was pressed, or what an address would have shown."""

from django.http import HttpRequest

_BUTTONS = {
    "portal:request_new": "Send request",
    "portal:request_issue": "Issue key",
    "portal:request_cancel": "Cancel request",
    "portal:request_comment": "Send",
    "portal:request_nudge": "Send a reminder",
    "portal:deputies": "Name deputy",
    "portal:deputy_end": "End",
    "portal:key_confirm": "I have stored it",
    "portal:key_replace": "Replace key",
    "portal:key_revoke": "Revoke key",
    "portal:key_revoke_several": "Revoke keys",
    "portal:key_rotate": "Rotate key",
    "portal:key_take_over": "Take over",
    "portal:unmanaged_adopt": "Adopt key",
    "portal:unmanaged_keep": "Keep key",
    "portal:unmanaged_delete": "Delete key",
    "portal:unmanaged_propose": "Propose",
    "portal:reconciliation_resume": "End the hold",
    "portal:audit_feeds": "Create a token",
    "portal:feed_revoke": "Revoke",
    "portal:review_list": "Open a review",
    "portal:review_decide": "Save decisions",
    "portal:review_close": "Close the review",
}
"""The button that sends something to a page, by the page's name."""
_KINDS = {
    "portal:request_": "request with this number",
    "portal:key_revoke_several": "key of this owner, team or account",
    "portal:key_": "key with this SID",
    "portal:unmanaged_": "key with this SID",
    "portal:audit_event": "event with this number",
    "portal:audit_key": "key with this SID",
    "portal:review_": "access review of this name",
}


def button(request: HttpRequest) -> str:
    """Return the name of the button that was pressed; empty where a page was only asked for, or none is known."""
    return _BUTTONS.get(_view_name(request), "") if request.method == "POST" else ""


def kind(request: HttpRequest) -> str:
    """Return what an address would show, by its form alone: the same whether that exists or is hidden."""
    name = _view_name(request)
    return next((what for start, what in _KINDS.items() if name.startswith(start)), "page at this address")


def _view_name(request: HttpRequest) -> str:
    return request.resolver_match.view_name if request.resolver_match else ""
