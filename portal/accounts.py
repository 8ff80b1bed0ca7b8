from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class ClosedSignUpAdapter(DefaultAccountAdapter):
    """People are added by a portal admin; nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
