"""Questions about a request, and answers to them."""

from django.db import transaction
from django.utils import timezone

from .. import selectors
from ..db import lock_row
from ..domain.errors import Conflict, InvalidInput, NotAllowed
from ..domain.request_rules import comment_problem
from ..models import Comment, KeyRequest
from .actors import Actor, record
from .notice_texts import request_asked


def add_comment(*, key_request: KeyRequest, text: str, actor: Actor) -> Comment:
    """Add to the thread of an open request, as its requester or as somebody who decides for its team.

    Raises `InvalidInput` for the text, `NotAllowed` for others, `Conflict` once the request is closed.
    """
    problem = comment_problem(text)
    if problem:
        raise InvalidInput("comment", problem)
    if not selectors.may_comment(selectors.Person(actor.signed_in), key_request):
        raise NotAllowed("The requester, leads of the team and Security talk about a request.")
    with transaction.atomic(durable=True):
        locked = lock_row(KeyRequest, key_request.pk)
        if not selectors.is_discussed(locked):
            raise Conflict(f"{selectors.happened(locked)} Comments are closed.")
        comment = Comment.objects.create(request=locked, author=actor.signed_in, text=text, created_at=timezone.now())
        request_asked(locked, actor.signed_in, text)
        record("request.commented", actor, key_request=locked, reason=text)
    return comment
