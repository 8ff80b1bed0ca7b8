"""Ways to break the portal on purpose, to see that the harness notices. `CHAOS_MUTATION` names one.

post-first      Twilio is asked before the intent is on the disk
unchecked       a key is shown whatever policy Twilio gave it
silent          a key is recorded without its event in the ledger
no-…            a rule of `rules.py` is taken out
"""

import os
import threading
from dataclasses import replace
from typing import Any
from unittest import mock

from .rules import RULES

OF_ISSUING = ("post-first", "unchecked", "silent")
NAMES = (*OF_ISSUING, *RULES)


def install() -> None:
    """Break this process as `CHAOS_MUTATION` says; without it leave it alone."""
    if name := os.environ.get("CHAOS_MUTATION"):
        {"post-first": _post_first, "unchecked": _unchecked, "silent": _silent, **RULES}[name]()


def _post_first() -> None:
    from keys_app.audit.installation import identity
    from keys_app.keys import issuance, issue
    from keys_app.organisation import credentials
    from keys_app.permissions.naming import marked_name, new_marker

    record_intent = issue._record_intent
    made = threading.local()

    def ask_then_record(key_request: Any, incarnation: str, actor: Any) -> Any:
        marker = new_marker(identity())
        with credentials.client_for(key_request.account) as client:
            made.key = client.create_restricted_key(
                account_sid=key_request.account_id,
                friendly_name=marked_name(key_request.friendly_name, marker),
                policy=key_request.policy,
            )
        with mock.patch.object(issuance, "new_marker", lambda _: marker):
            return record_intent(key_request, incarnation, actor)

    issue._record_intent = ask_then_record
    issue._ask_twilio = lambda *_: made.key


def _unchecked() -> None:
    from keys_app.keys import issue

    ask = issue._ask_twilio

    def ask_and_believe(client: Any, issuance: Any, actor: Any) -> Any:
        return replace(ask(client, issuance, actor), policy=issuance.request.policy)

    issue._ask_twilio = ask_and_believe


def _silent() -> None:
    from keys_app.audit import record as audit_record

    record = audit_record.record

    def forget(action: str, *args: Any, **details: Any) -> None:
        if action != "key.issued":
            record(action, *args, **details)

    audit_record.record = forget
