"""A second factor that was shown to the provider counts here, where the provider says so."""

import pytest
from django.test import Client

from portal.factors.required import FACTOR

from .provider import go

AGAIN = "/accounts/oidc/company/again/"


@pytest.fixture(autouse=True)
def _what_counts(settings):
    settings.OIDC_MFA = ["mfa", "hwk"]


@pytest.mark.parametrize(("amr", "counts"), [(["pwd", "hwk"], True), (["pwd"], False), ([], False), ("mfa", False)])
def test_a_value_of_amr_counts(come, amr, counts):
    assert come("subject-1", amr=amr).session[FACTOR] is counts


def test_none_does_where_none_is_set(come, settings):
    settings.OIDC_MFA = []
    assert come("subject-1", amr=["hwk", ""]).session[FACTOR] is False


def test_signing_in_again_says_it_anew(come, provider):
    client: Client = come("subject-1", amr=["hwk"])
    provider.says("subject-1", amr=["pwd"])
    go(client, provider, AGAIN)
    assert client.session[FACTOR] is False


def test_who_needs_one_is_let_by_with_it(come, settings, cast):
    settings.REQUIRE_MFA = ["admins"]
    client = come("subject-1", amr=["hwk"])
    user = cast.user("admin").__class__.objects.get(identity__subject="subject-1")
    user.is_superuser = True
    user.save()
    assert client.get("/").status_code == 200
    assert come("subject-1", amr=["pwd"]).get("/").status_code == 302
