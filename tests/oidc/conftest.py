"""A portal that signs people in with a provider, and the provider."""

from collections.abc import Iterator

import pytest
from django.test import Client

from portal.oidc import discovery
from portal.oidc.settings import OpenIdConnect

from .provider import Provider, go


@pytest.fixture(scope="session")
def provider_process() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
def provider(db, provider_process: Provider, settings) -> Iterator[Provider]:
    """The provider that the portal of one test signs people in with."""
    settings.OIDC = OpenIdConnect(provider_process.issuer, "portal", "only-for-tests", "Example Login")
    discovery.forget()
    yield provider_process
    discovery.forget()


@pytest.fixture
def come(provider: Provider):
    """Return a function that signs a subject in with the provider, and returns the browser."""

    def sign_in(subject: str, client: Client | None = None, **claims) -> Client:
        client = client or Client()
        provider.says(subject, **claims)
        answer = go(client, provider)
        assert answer.status_code == 302, answer.content.decode()
        return client

    return sign_in
