"""The portal's words in templates."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django import template
from django.contrib.auth.models import User
from django.utils.html import format_html
from django.utils.safestring import SafeString

from keys_app.core import text, times, typed
from keys_app.core.actor import name_and_login
from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.turn import Turn
from keys_app.keys.models import ApiKey
from keys_app.organisation.sent_forms import FIELD, new_token
from keys_app.reconcile.models import UnmanagedKey
from keys_app.views.http import copy, moments
from keys_app.views.http.drafts import hidden_field
from keys_app.wording import Mark, key_marks, request_marks, unmanaged_mark

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    from keys_app.key_requests.queries import RequestNotes

register = template.Library()


@register.filter
def marks(item: "ApiKey | WithAnnotations[KeyRequest, RequestNotes] | UnmanagedKey") -> list[Mark]:
    """Return what to know about a key or a request besides its state; all of it for a key the portal did not make."""
    if isinstance(item, UnmanagedKey):
        return [unmanaged_mark(item)]
    return key_marks(item) if isinstance(item, ApiKey) else request_marks(item)


@register.filter
def who(user: User) -> str:
    """Return a user as approvers and auditors see them: “Erin Engineer (engineer)”."""
    return name_and_login(user)


@register.filter
def in_a_row(turn: Turn, user: User) -> str:
    """Return whose turn a request or key is, and what to do, as the row of a list says it to this user."""
    return turn.in_a_row(user)


@register.filter
def mixed_words(name: str) -> list[str]:
    """Return what to say of each word of a name with letters of several scripts that look alike."""
    return typed.mixed_words(name)


@register.filter
def length_of_time(length: timedelta) -> str:
    """Return a length of time in words, as “2 hours”."""
    return times.duration(length)


@register.filter
def counted(number: int, noun: str) -> str:
    """Return a number with its noun: “1 day”, “2 days”."""
    return text.counted(number, noun)


@register.simple_tag
def once() -> SafeString:
    """Return the hidden field that makes a form create one thing, however often it is sent."""
    return format_html('<input type="hidden" name="{}" value="{}">', FIELD, new_token())


@register.simple_tag(takes_context=True)
def draft(context: template.Context, path: str, is_shown: bool = True) -> SafeString:
    """Return what lets a form that is sent to `path` come back with what was typed, should it not be received."""
    return hidden_field(context["request"], path, bool(is_shown))


@register.simple_tag
def poll(element: str, address: str, seconds: int, others: str) -> SafeString | str:
    """Return what lets an element with this id ask for its page again every few seconds, if `seconds` is not 0.

    It is replaced by what it is there, and so are the `others`, by their ids, and the counts of the navigation: see
    `poll.js`. Without that script nothing happens.
    """
    if not seconds:
        return ""
    oob = ",".join(f"#{name}" for name in [*others.split(), "nav-yours", "nav-waiting"])
    return format_html(
        'hx-get="{}" hx-trigger="every {}s, portal:look" hx-select="#{}" hx-target="this" hx-swap="outerHTML" '
        'hx-select-oob="{}" data-poll',
        address,
        seconds,
        element,
        oob,
    )


@register.simple_tag
def time(at: datetime | None, form: str = "minute", css: str = "", beside: bool = False) -> SafeString | str:
    """Return a moment for people, in their zone, exact in UTC on hover; `form` and `beside` are those of `moments`."""
    return moments.element(at, form, css, beside) if at else ""


@register.filter
def with_times(sentence: str) -> SafeString:
    """Return a sentence of the portal with the moments in it as `time` shows them, not in UTC."""
    return moments.in_readers_zone(str(sentence))


@register.simple_tag
def sid(value: str, css: str = "", what: str = "SID") -> SafeString:
    """Return the SID of a key or an account, with the button that copies it; `what` names it for the button."""
    return copy.sid(value, css, what)


@register.simple_tag
def copy_sid(value: str, what: str = "SID") -> SafeString:
    """Return the button alone that copies a SID, for beside one that is a link."""
    return copy.button(value, what)
