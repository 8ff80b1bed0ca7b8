"""The client for Twilio's Key resource, v1. Facts about it are from Twilio's documentation."""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from keys_app.core.secret import Secret
from keys_app.permissions.policy import Policy

from . import responses
from .errors import OutcomeUnknown, OwnCredential
from .retry import Patience
from .transport import Answer, Limits, Transport
from .types import CreatedKey, KeyDetail, KeySummary, check_account_sid, check_key_sid, check_name, explicit

KEYS = "/v1/Keys"
MAX_PAGE_SIZE = 1000
MAX_PAGES = 10_000
MAX_KEYS = 100_000
LISTING_SECONDS = 300.0
"""How many keys a listing may have, and how long it may take altogether: one beyond that is not whole."""


class TwilioIamClient:
    """Manages the API keys of an account with one credential. Short-lived: one for each operation.

    `base_url` is `https://iam.twilio.com` or a simulator's; `username` is an account SID or the SID of a key
    that may manage keys, `password` its auth token or secret. Timeouts and `deadline` are in seconds and hold
    for each request (a listing makes one for each page), `max_bytes` is the most that is read of a body.

    Raises `ValueError` for a base URL that is not https (http is allowed for a loopback host), or has a user,
    a query or a fragment.

    Every operation sends its request once, without retries or redirects, and raises `Rejected` (Twilio said
    no), `NotProcessed` (safe to try again) or `OutcomeUnknown`; `ValueError` before anything is sent. With
    `patience`, listing, fetching and deleting are tried again, because sending them twice does no harm.
    """

    def __init__(
        self,
        *,
        base_url: str,
        username: str,
        password: Secret,
        connect_timeout: float = 5.0,
        read_timeout: float = 15.0,
        deadline: float = 30.0,
        max_bytes: int = 1_000_000,
        patience: Patience | None = None,
    ) -> None:
        limits = Limits(connect_timeout, read_timeout, deadline, max_bytes)
        self._transport: Transport | None = Transport(base_url, username, password, limits)
        self._patience = patience
        self._username = username
        self.clock_ahead: timedelta | None = None
        """How far Twilio's clock is ahead of this machine's, to a second, by its last answer; None before one."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the credential, and of a connection. Later calls raise `ValueError`. May be called twice."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def connect_ahead(self) -> None:
        """Begin to make the connection of the next call, while there is nothing to send yet. Raises nothing of it."""
        self._open_transport().connect_ahead()

    def create_restricted_key(self, *, account_sid: str, friendly_name: str, policy: Policy) -> CreatedKey:
        """Make a key that may do what `policy` says. Return it with its secret, which Twilio shows only now.

        `friendly_name` has 1 to 64 characters, `policy` 1 to 100 permissions; wildcards are sent as their
        five actions. The `policy` of the result is Twilio's answer and may differ (None if null or
        unreadable): the caller must compare, and delete the key if it does.

        After `OutcomeUnknown` a key may exist whose secret is lost; also when Twilio answered 201 without a
        usable SID and secret. There is no idempotency key, so nothing tells a second request from the first.
        """
        check_account_sid(account_sid)
        check_name(friendly_name)
        form = {
            "AccountSid": account_sid,
            "FriendlyName": friendly_name,
            "KeyType": "restricted",  # left out, Twilio makes a Standard key with nearly full access
            "Policy": explicit(policy).to_json(),
        }
        created = responses.created_key(self._call("POST", KEYS, 201, form=form))
        if created is None:
            raise OutcomeUnknown("Twilio's answer has no usable key in it.")
        return created

    def list_keys(self, *, account_sid: str, page_size: int = MAX_PAGE_SIZE) -> Iterator[KeySummary]:
        """Yield every key of an account, page by page, in Twilio's order, as often as Twilio lists it.

        `page_size` is 1 to 1000. If the iterator raises, the listing is incomplete and proves nothing about a
        key that was not in it. `OutcomeUnknown` also stands for a next page elsewhere, pages without end, and a
        listing over `MAX_KEYS` or `LISTING_SECONDS`.
        """
        check_account_sid(account_sid)
        if not 1 <= page_size <= MAX_PAGE_SIZE:
            raise ValueError(f"a page has 1 to {MAX_PAGE_SIZE} keys")
        return self._pages({"AccountSid": account_sid, "PageSize": str(page_size)})

    def fetch_key(self, sid: str) -> KeyDetail:
        """Return one key with its policy. Raises `Rejected` with status 404 if there is none."""
        check_key_sid(sid)
        return self._detail(self._call("GET", f"{KEYS}/{sid}", 200), sid)

    def update_key(self, sid: str, *, friendly_name: str | None = None, policy: Policy | None = None) -> KeyDetail:
        """Change a key's name, its policy or both, and return it as it is now.

        A policy replaces the old one as a whole. Limits and the duty to compare are as for a new key.
        """
        check_key_sid(sid)
        form: dict[str, str] = {}
        if friendly_name is not None:
            check_name(friendly_name)
            form["FriendlyName"] = friendly_name
        if policy is not None:
            form["Policy"] = explicit(policy).to_json()
        if not form:
            raise ValueError("nothing to change")
        return self._detail(self._call("POST", f"{KEYS}/{sid}", 200, form=form), sid)

    def delete_key(self, sid: str) -> None:
        """Delete a key; it stops working, and so do tokens made with it.

        Raises `Rejected` with status 404 if there is no such key, which may well be what the caller wants, and
        `OwnCredential`, before anything is sent, for the key this client itself works with.
        """
        check_key_sid(sid)
        if sid == self._username:
            raise OwnCredential
        self._call("DELETE", f"{KEYS}/{sid}", 204)

    def _pages(self, query: dict[str, str]) -> Iterator[KeySummary]:
        seen = 0
        visited: set[tuple[tuple[str, str], ...]] = set()
        place: dict[str, str] = {}
        ends = time.monotonic() + LISTING_SECONDS
        while True:
            keys, link = self._page({**query, **place})
            if time.monotonic() > ends:
                raise OutcomeUnknown(f"Twilio's listing of keys did not end within {LISTING_SECONDS:.0f} seconds.")
            yield from keys  # one that is changed meanwhile moves in the order, and may turn up twice
            seen += len(keys)
            if seen > MAX_KEYS:
                raise OutcomeUnknown(f"Twilio lists more than {MAX_KEYS} keys, so the listing was broken off.")
            if link is None:
                return
            place = self._next_place(link)
            mark = tuple(sorted(place.items()))
            if mark in visited or len(visited) >= MAX_PAGES:
                raise OutcomeUnknown("Twilio's listing of keys does not end.")
            visited.add(mark)

    def _page(self, query: Mapping[str, str]) -> tuple[list[KeySummary], object]:
        page = responses.key_page(self._call("GET", KEYS, 200, query=query))
        if page is None:
            raise OutcomeUnknown("Twilio's listing of keys could not be read.")
        return page

    def _next_place(self, link: object) -> dict[str, str]:
        place = responses.next_page(link, self._open_transport().base_url + KEYS)
        if place is None:
            raise OutcomeUnknown("Twilio's listing of keys leads to another address.")
        return place

    def _detail(self, answer: Answer, sid: str) -> KeyDetail:
        detail = responses.key_detail(answer, sid)
        if detail is None:
            raise OutcomeUnknown("Twilio's answer is not about this key.")
        return detail

    def _call(
        self,
        method: str,
        path: str,
        expected: int,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return its answer, which has the `expected` status and a whole body."""
        if self._patience is None or method not in ("GET", "DELETE"):
            return self._send(method, path, expected, query, form)
        return self._patience.call(lambda: self._send(method, path, expected, query, form))

    def _send(
        self,
        method: str,
        path: str,
        expected: int,
        query: Mapping[str, str] | None,
        form: Mapping[str, str] | None,
    ) -> Answer:
        answer = self._open_transport().exchange(method, path, query=query, form=form)
        if date := responses.read_date(answer.date):
            self.clock_ahead = date - datetime.now(UTC)
        error = responses.error_of(answer, expected)
        if error is None and answer.body is None and expected != 204:
            error = OutcomeUnknown(answer.problem)
        if error is not None:
            raise error
        return answer

    def _open_transport(self) -> Transport:
        if self._transport is None:
            raise ValueError("this client is closed")
        return self._transport
