"""What a new request can start from: a task, an earlier request, a key, a link."""

import re
import uuid
from dataclasses import dataclass, field

from django.conf import settings
from django.http import Http404
from django.urls import reverse

from keys_app.key_requests.queries import copyable_requests, visible_requests
from keys_app.keys.models import ApiKey
from keys_app.organisation import access
from keys_app.permissions.presets import Template, find_template
from keys_app.views.http.access import visible_or_404
from keys_app.views.http.signed_in import SignedInRequest

EARLIER = 8
KEY_SID = re.compile("SK[0-9a-fA-F]{32}")
PREFILLED = ("account", "team", "friendly_name", "purpose", "ticket_url", "lifetime_days")


@dataclass(frozen=True, slots=True)
class Source:
    """What the form was started from, for the notice above it."""

    kind: str
    label: str
    url: str


@dataclass
class Start:
    """How the form opens: nothing is sent by it. `permissions` may hold names that do not exist."""

    permissions: list[str] = field(default_factory=list)
    initial: dict[str, object] = field(default_factory=dict)
    source: Source | None = None
    template: Template | None = None
    changes_key: ApiKey | None = None


def template_of(slug: str) -> Template | None:
    """Return the task with this slug, the package's or the operator's; None if there is none."""
    return find_template(slug, settings.TEMPLATES_FILE) if slug else None


def starting_point(request: SignedInRequest, who: access.Person) -> Start:
    """Read the link the form was opened with. Raises `Http404` for an object this person may not start from."""
    given = request.GET
    initial: dict[str, object] = {name: given[name][:500] for name in PREFILLED if name in given}
    if "key" in given:
        return _from_key(request, given["key"], who, initial)
    if "copy" in given:
        return _from_request(request, given["copy"], who, initial)
    template = template_of(given.get("template", ""))
    if template:
        source = Source("template", template.title, "")
        initial.setdefault("friendly_name", template.name)
        return Start(list(template.permissions), initial, source, template)
    names = [name.strip() for value in given.getlist("permissions") for name in value.split(",") if name.strip()]
    return Start(names, initial, Source("link", "a link", "") if names else None)


def _from_key(request: SignedInRequest, sid: str, who: access.Person, initial: dict[str, object]) -> Start:
    if not KEY_SID.fullmatch(sid):
        raise Http404("no such key")
    key = visible_or_404(request, ApiKey.changeable_by(who.user), sid)
    known = {"account": key.account_id, "team": key.team_id, "friendly_name": key.name}
    source = Source("key", key.name, key.get_absolute_url())
    return Start(list(key.policy), {**known, **initial}, source, changes_key=key)


def _from_request(request: SignedInRequest, request_id: str, who: access.Person, initial: dict[str, object]) -> Start:
    try:
        earlier = visible_or_404(request, copyable_requests(who), uuid.UUID(request_id))
    except ValueError:
        raise Http404("no such request") from None
    known = {"account": earlier.account_id, "friendly_name": earlier.friendly_name}
    url = earlier.get_absolute_url() if visible_requests(who).filter(pk=earlier.pk).exists() else ""
    return Start(list(earlier.policy), {**known, **initial}, Source("request", earlier.friendly_name, url))


def earlier_policies(who: access.Person) -> list[Source]:
    """Return the newest different policies of one's own and one's teams' requests, as links that open the form."""
    found: dict[str, Source] = {}
    for earlier in copyable_requests(who)[: EARLIER * 4]:
        url = f"{reverse('portal:request_new')}?copy={earlier.pk}"
        found.setdefault(earlier.policy_json, Source("request", earlier.friendly_name, url))
    return list(found.values())[:EARLIER]
