"""The sign-in library's OpenID Connect, made stricter: PKCE and a nonce always, each ID token checked in full.

What came is in the `SocialLogin` that it makes, whose account is never saved: users are found by `users.identities`.
"""

import secrets
import time
from typing import Any

from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Client
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from . import discovery
from .provider_session import ProviderSession
from .tokens import BadToken, claims_of

PROVIDER_ID = "company"


class CompanyClient(OAuth2Client):  # type: ignore[misc]  # a class without types
    """Also for an authorization endpoint that has a query of its own."""

    def get_redirect_url(self, authorization_url: str, scope: list[str], extra_params: dict[str, str]) -> str:
        parameters = {
            "client_id": self.consumer_key,
            "redirect_uri": self.callback_url,
            "response_type": "code",
            "scope": " ".join(scope),
            "state": self.state,
            **extra_params,
        }
        return f"{authorization_url}{'&' if '?' in authorization_url else '?'}{urlencode(parameters)}"


class CompanyOAuth2Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # a class without types
    """Exchanges the code for tokens and reads them; none is kept."""

    client_class = CompanyClient

    @property
    def openid_config(self) -> discovery.Metadata:
        return discovery.metadata()

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return str(settings.BASE_URL.geturl()) + reverse("oidc_callback")

    @property
    def basic_auth(self) -> bool:
        methods = self.openid_config.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return "client_secret_post" not in methods

    def complete_login(self, request: HttpRequest, app: SocialApp, token: Any, **answer: Any) -> SocialLogin:
        """Return who the ID token says it is, with what the provider adds of them. Raises `BadToken`."""
        id_token = answer["response"].get("id_token")
        if not isinstance(id_token, str):
            raise BadToken("it gave no ID token")
        metadata = self.openid_config
        keys = _fetch(metadata["jwks_uri"])
        claims = claims_of(id_token, keys=keys, issuer=settings.OIDC.issuer, client_id=app.client_id)
        if address := metadata.get("userinfo_endpoint"):
            more = _fetch(address, {"Authorization": f"Bearer {token.token}"})
            if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
                raise BadToken("its user info is about another person")
            claims = {**more, **claims}
        account = SocialAccount(provider=PROVIDER_ID, uid="", extra_data=claims)
        return SocialLogin(account=account, provider=self.get_provider())


class CompanyProvider(OpenIDConnectProvider):  # type: ignore[misc]  # a class without types
    """The one provider there is, as the settings name it."""

    pkce_enabled_default = True
    oauth2_adapter_class = CompanyOAuth2Adapter

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **options: Any
    ) -> Any:
        """Lead to the provider. Nothing of the address or the form chooses what is asked there."""
        nonce = secrets.token_urlsafe(32)
        kept = {**(data or {}), "nonce": nonce, "began": time.time()}
        asked = {**options.pop("auth_params", {}), "nonce": nonce}
        return super().redirect(request, process, next_url, kept, auth_params=asked, scope=settings.OIDC.scopes)


class CompanyAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # a class without types
    """Knows the one provider, keeps out of the database, and hands who comes from there to `arrival`."""

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> CompanyProvider:
        return CompanyProvider(request, app=self.get_app(request, provider))

    def list_apps(self, request: HttpRequest, provider: str | None = None, client_id: str | None = None) -> list[Any]:
        if not settings.OIDC.issuer:
            return []
        return [
            SocialApp(
                provider=CompanyProvider.id,
                provider_id=PROVIDER_ID,
                name=settings.OIDC.name,
                client_id=settings.OIDC.client_id,
                secret=settings.OIDC.client_secret,
            )
        ]

    def list_providers(self, request: HttpRequest) -> list[CompanyProvider]:
        return [CompanyProvider(request, app=app) for app in self.list_apps(request)]

    def authenticate_by_email(self, sociallogin: SocialLogin) -> None:
        """Take no one for another because a mail address is equal."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False  # `arrival` creates users

    def get_requests_session(self) -> ProviderSession:
        return ProviderSession()

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        from . import arrival  # noqa: PLC0415 (it signs people in, and imports what signs them in)

        arrival.answer(request, sociallogin)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: CompanyProvider,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        from . import arrival  # noqa: PLC0415

        arrival.failed(error, exception, extra_context or {})


def _fetch(address: str, headers: dict[str, str] | None = None) -> Any:
    """Return what the provider answers. Raises `requests.RequestException`."""
    with ProviderSession() as session:
        answer = session.get(address, headers=headers)
        answer.raise_for_status()
        return answer.json()
