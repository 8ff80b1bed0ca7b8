"""A SID as every page shows it: with the button that copies it."""

from django.utils.html import escape
from django.utils.safestring import SafeString


def button(value: str, what: str = "SID") -> SafeString:
    """Return the button that copies a SID. It needs JavaScript, so without it there is none."""
    text, of = escape(value), escape(what)
    return SafeString(
        f'<button class="copy js-only" type="button" title="Copy" aria-label="Copy {of} {text}" '
        f'data-copy-text="{text}" data-said="{of[:1].upper()}{of[1:]} copied"></button>'
    )


def sid(value: str, css: str = "", what: str = "SID") -> SafeString:
    """Return a SID with its button; empty without one. `what` says of what it is where several stand together."""
    if not value:
        return SafeString()
    named = f' class="{css}"' if css else ""
    return SafeString(
        f'<span class="sid"><code{named} translate="no">{escape(value)}</code>{button(value, what)}</span>'
    )
