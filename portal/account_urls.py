"""The account pages people need. The sign-in library has more, for sites where people sign up by themselves."""

from allauth.account import urls
from django.conf import settings

KEPT = {
    "account_login",
    "account_logout",
    "account_signup",  # says that it is closed
    "account_inactive",
    "account_reauthenticate",
    "account_change_password",
}
BY_MAIL = {
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
}

kept = KEPT | BY_MAIL if settings.SENDS_MAIL else KEPT
urlpatterns = [pattern for pattern in urls.urlpatterns if pattern.name in kept]
