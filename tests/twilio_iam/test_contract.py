"""The simulator's answers and the client's calls are those of the description in `openapi.yaml`."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from keys_app.core.secret import Secret
from keys_app.permissions.policy import Policy
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.errors import TwilioError
from keys_app.twilio_iam.types import ACCOUNT_SID, KEY_SID

from .contract import DESCRIPTION, Contract, Exchange, recording
from .simulator import Credential, StandIn, Tenancy

READ = Policy.of(["/twilio/messaging/messages/read"])
WHOLE = Policy.of([f"/twilio/voice/calls/{action}" for action in ("create", "delete", "list", "read", "update")])
NOWHERE = "SK" + "0" * 32
CHECKS = (
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
schema = schemathesis.openapi.from_dict(deepcopy(DESCRIPTION))


@pytest.fixture(scope="module")
def tenant(running_standin: StandIn) -> Tenancy:
    return running_standin.account()


@schema.parametrize()
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_to_generated_requests_is_as_described(
    case: schemathesis.Case, running_standin: StandIn, tenant: Tenancy
) -> None:
    """Right and wrong ones; those that name a possible account or key name one that there is."""
    _name_what_there_is(case, running_standin, tenant)
    auth = (tenant.main.username, tenant.main.password)
    case.call_and_validate(base_url=running_standin.base_url, auth=auth, checks=CHECKS)


def _name_what_there_is(case: schemathesis.Case, standin: StandIn, tenant: Tenancy) -> None:
    for values in (case.query, case.body):
        if isinstance(values, dict) and ACCOUNT_SID.fullmatch(str(values.get("AccountSid", ""))):
            values["AccountSid"] = tenant.sid
    if KEY_SID.fullmatch(str((case.path_parameters or {}).get("Sid", ""))):
        with client_of(standin.base_url, tenant.main) as client:
            made = client.create_restricted_key(account_sid=tenant.sid, friendly_name="x", policy=READ)
        case.path_parameters["Sid"] = made.sid


def client_of(base_url: str, who: Credential) -> TwilioIamClient:
    return TwilioIamClient(base_url=base_url, username=who.username, password=Secret(who.password))


@pytest.fixture
def exchanges(standin: StandIn) -> list[Exchange]:
    """All that the client says in its calls, with success and with each refusal that the simulator knows."""
    tenant = standin.account()
    narrow = standin.credential(without=["list", "create", "read", "update", "delete"], refusal="forbidden")
    granting = standin.credential(grants_own_only=True)
    with recording(standin.base_url) as (base_url, seen):
        sid = _use(base_url, tenant.main, tenant.sid)
        for who, account_sid in (
            (Credential("SK1", "x"), tenant.sid),
            (narrow, standin.account_sid),
            (granting, standin.account_sid),
            (tenant.main, standin.account_sid),
            (tenant.main, "AC" + "0" * 32),
        ):
            _use(base_url, who, account_sid, sid)
        _refuse(standin, base_url, tenant, sid)
        for path in ("/v1/Keys", f"/v1/Keys/{sid}"):
            requests.options(base_url + path, timeout=10)
    return seen


def _use(base_url: str, who: Credential, account_sid: str, sid: str = NOWHERE) -> str:
    """Make every call of the client, and return the SID of the last key made, `sid` if none was."""
    with client_of(base_url, who) as client:
        for name, policy in (("a", READ), ("é" * 64, WHOLE), ("b", READ)):
            with suppress(TwilioError):
                sid = client.create_restricted_key(account_sid=account_sid, friendly_name=name, policy=policy).sid
        for call in _calls_about(client, account_sid, sid):
            with suppress(TwilioError):
                call()
    return sid


def _calls_about(client: TwilioIamClient, account_sid: str, sid: str) -> Iterator[Callable[[], object]]:
    yield lambda: list(client.list_keys(account_sid=account_sid, page_size=2))
    yield lambda: client.fetch_key(sid)
    yield lambda: client.update_key(sid, friendly_name="c", policy=WHOLE)
    yield lambda: client.update_key(sid, policy=READ)
    yield lambda: client.delete_key(sid)


def _refuse(standin: StandIn, base_url: str, tenant: Tenancy, sid: str) -> None:
    """Have each call refused as sent, and as one of too many."""
    unknown = Policy(("/twilio/nothing/at/all",))
    with client_of(base_url, tenant.main) as client:
        for name, policy in (("x", unknown), ("😀" * 33, READ)):
            with suppress(TwilioError):
                client.create_restricted_key(account_sid=tenant.sid, friendly_name=name, policy=policy)
        with suppress(TwilioError):
            client.update_key(sid, policy=unknown)
        for fault, options in (("rate_limit", {}), ("refuse", {"code": 70002})):
            for operation in ("create", "list", "fetch", "update", "delete"):
                standin.fault(fault, operation=operation, **options)
            with suppress(TwilioError):
                client.create_restricted_key(account_sid=tenant.sid, friendly_name="x", policy=READ)
            for call in _calls_about(client, tenant.sid, sid):
                with suppress(TwilioError):
                    call()
            standin.clear_faults()


def test_calls_and_answers_are_as_described_and_nothing_described_is_left_out(exchanges: list[Exchange]) -> None:
    contract = Contract()
    for exchange in exchanges:
        if exchange.status < 400:  # what was refused may have deserved it
            contract.check_request(exchange)
        contract.check_answer(exchange)
    assert contract.statuses - contract.seen == set()


MUTATIONS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a field more in a key": lambda it: it["components"]["schemas"]["Key"]["required"].append("owner"),
    "a secret in a fetched key": lambda it: it["components"]["schemas"]["Key"].update(required=["secret"]),
    "flags of restricted keys": lambda it: it["components"]["schemas"]["ListedKey"]["required"].append("flags"),
    "another form of date": lambda it: it["components"]["schemas"]["Date"].update(pattern="^[0-9]{4}-"),
    "a field more in a page": lambda it: it["components"]["schemas"]["Page"]["required"].append("total"),
    "another code": lambda it: it["components"]["schemas"]["Error"]["properties"]["code"].update(enum=[20404]),
    "a 200 at creation": lambda it: it["paths"]["/v1/Keys"]["post"]["responses"].pop("201"),
    "no deletion": lambda it: it["paths"]["/v1/Keys/{Sid}"].pop("delete"),
    "a header more": lambda it: it["paths"]["/v1/Keys"]["get"]["responses"]["200"].update(
        headers={"ETag": {"required": True, "schema": {"type": "string"}}}
    ),
    "smaller pages": lambda it: it["paths"]["/v1/Keys"]["get"]["parameters"][1].update(schema={"const": 50}),
    "a parameter less": lambda it: it["paths"]["/v1/Keys"]["get"]["parameters"].pop(),
    "a field less in the form": lambda it: it["components"]["schemas"]["NewKey"]["properties"].pop("KeyType"),
    "a field more in the form": lambda it: it["components"]["schemas"]["NewKey"]["required"].append("Region"),
    "shorter names": lambda it: it["components"]["schemas"]["FriendlyName"].update(maxLength=63),
    "another form of policy": lambda it: it["components"]["schemas"]["PolicyText"].update(pattern='^\\["'),
}


def test_a_description_that_says_otherwise_is_found_out(exchanges: list[Exchange]) -> None:
    unnoticed = []
    for name, mutate in MUTATIONS.items():
        description = deepcopy(DESCRIPTION)
        mutate(description)
        contract = Contract(description)
        with suppress(AssertionError):
            for exchange in exchanges:
                if exchange.status < 400:
                    contract.check_request(exchange)
                contract.check_answer(exchange)
            unnoticed.append(name)
    assert unnoticed == []
