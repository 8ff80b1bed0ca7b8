"""Ways to break the portal on purpose, to see that the harness notices. `CHAOS_MUTATION` names one.

post-first      Twilio is asked before the intent is on the disk
unchecked       a key is shown whatever policy Twilio gave it
silent          a key is recorded without its event in the ledger
"""

import os
import threading
from dataclasses import replace
from typing import Any
from unittest import mock

NAMES = ("post-first", "unchecked", "silent")


def install() -> None:
    """Break this process as `CHAOS_MUTATION` says; without it leave it alone."""
    name = os.environ.get("CHAOS_MUTATION")
    if name:
        {"post-first": _post_first, "unchecked": _unchecked, "silent": _silent}[name]()


def _post_first() -> None:
    from keys_app.domain.naming import new_marker
    from keys_app.services import attempts, issuing

    record_intent = issuing._record_intent
    made = threading.local()

    def ask_then_record(key_request: Any, actor: Any) -> Any:
        marker = new_marker()
        with issuing.client_for(key_request.account) as client:
            made.key = client.create_restricted_key(
                account_sid=key_request.account_id,
                friendly_name=issuing.marked_name(key_request.friendly_name, marker),
                policy=key_request.policy,
            )
        with mock.patch.object(attempts, "new_marker", lambda: marker):
            return record_intent(key_request, actor)

    issuing._record_intent = ask_then_record
    issuing._ask_twilio = lambda *_: made.key


def _unchecked() -> None:
    from keys_app.services import issuing

    ask = issuing._ask_twilio

    def ask_and_believe(client: Any, issuance: Any, actor: Any) -> Any:
        return replace(ask(client, issuance, actor), policy=issuance.request.policy)

    issuing._ask_twilio = ask_and_believe


def _silent() -> None:
    from keys_app.services import issuing

    record = issuing.record

    def forget(action: str, *args: Any, **details: Any) -> None:
        if action != "key.issued":
            record(action, *args, **details)

    issuing.record = forget
