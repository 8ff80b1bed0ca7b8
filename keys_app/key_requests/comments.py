"""Questions about a request, and answers to them."""

from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.errors import Conflict, InvalidInput, NotAllowed
from keys_app.core.text import comment_problem
from keys_app.core.typed import unified
from keys_app.organisation import access
from keys_app.organisation.sent_forms import claim
from keys_app.users.limits import limited

from . import outcome
from .decision_models import Comment
from .models import KeyRequest
from .notices import Audience, request_asked
from .queries import is_discussed, lock_request, may_comment


def add_comment(*, key_request: KeyRequest, text: str, actor: Actor) -> Comment:
    """Add to the thread of an open request, as its requester or as somebody who decides for its team.

    Raises `InvalidInput` for the text, `NotAllowed` for others, `Conflict` once the request is closed,
    `TooMany` for a user who wrote too many.
    """
    problem = comment_problem(text)
    if problem:
        raise InvalidInput("comment", problem)
    text = unified(text)
    author = actor.signed_in
    if not may_comment(access.Person(author), key_request):
        raise NotAllowed("The requester, leads of the team and Security talk about a request.")
    asks = author.pk != key_request.requester_id
    audience = Audience.requester(key_request) if asks else Audience.of(key_request)
    with limited("comments", actor):
        claim(actor, key_request.get_absolute_url() + "#thread")
        locked = lock_request(key_request.pk)
        if not is_discussed(locked):
            raise Conflict(f"{outcome.happened(locked)} Comments are closed.")
        comment = Comment.objects.create(request=locked, author=author, text=text, created_at=timezone.now())
        request_asked(locked, author, text, audience)
        record("request.commented", actor, key_request=locked, reason=text)
    return comment
