"""What a new request can start from: a task, an earlier request, a key, a link."""

import re
import uuid
from dataclasses import dataclass, field

from django.conf import settings
from django.http import Http404
from django.urls import reverse

from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.queries import can_send_changed, copyable_requests, visible_requests
from keys_app.keys.models import ApiKey
from keys_app.organisation import access
from keys_app.permissions.presets import Template, find_template
from keys_app.views.http.access import visible_or_404
from keys_app.views.http.signed_in import SignedInRequest
from keys_app.wording import how_it_ended

EARLIER = 8
KEY_SID = re.compile("SK[0-9a-fA-F]{32}")
PREFILLED = ("account", "team", "friendly_name", "purpose", "ticket_url", "lifetime_days")


@dataclass(frozen=True, slots=True)
class Source:
    """What the form was started from, for the notice above it.

    `copied` is the number of the request it was, and `ended` how that one ended, where it came to no key.
    """

    kind: str
    label: str
    url: str
    copied: str = ""
    ended: str = ""


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
    known: dict[str, object] = {"account": earlier.account_id, "friendly_name": earlier.friendly_name}
    changes_key = None
    if can_send_changed(who, earlier):
        known |= {name: getattr(earlier, name) for name in ("purpose", "ticket_url", "lifetime_days")}
        known["team"] = earlier.team_id
        changes_key = ApiKey.changeable_by(who.user).filter(pk=earlier.changes_key_id).first()
    return Start(list(earlier.policy), {**known, **initial}, _source(who, earlier), changes_key=changes_key)


def source_again(request: SignedInRequest, who: access.Person) -> Source | None:
    """Return the request that a form which was sent, or asked for a change of itself, was started from."""
    try:
        earlier = copyable_requests(who).filter(pk=uuid.UUID(request.POST.get("copy", ""))).first()
    except ValueError:
        return None
    return _source(who, earlier) if earlier else None


def _source(who: access.Person, earlier: KeyRequest) -> Source:
    is_seen = visible_requests(who).filter(pk=earlier.pk).exists()
    ended = how_it_ended(earlier) if is_seen and can_send_changed(who, earlier) else ""
    url = earlier.get_absolute_url() if is_seen else ""
    return Source("request", earlier.friendly_name, url, str(earlier.pk), ended)


def earlier_policies(who: access.Person) -> list[Source]:
    """Return the newest different policies of one's own and one's teams' requests, as links that open the form."""
    found: dict[str, Source] = {}
    for earlier in copyable_requests(who)[: EARLIER * 4]:
        url = f"{reverse('portal:request_new')}?copy={earlier.pk}"
        found.setdefault(earlier.policy_json, Source("request", earlier.friendly_name, url))
    return list(found.values())[:EARLIER]
