"""Every template is a policy somebody can ask for, and a mistake in an operator's file says where it is."""

from itertools import pairwise

import pytest

from keys_app.permissions.catalogue import WILDCARD, catalogue
from keys_app.permissions.naming import MAX_NAME
from keys_app.permissions.policy import Policy
from keys_app.permissions.presets import find_template, templates
from keys_app.permissions.risk import Risk, policy_risk

SHIPPED = templates()
PROMISED = [
    "send-sms",
    "read-messages",
    "message-media",
    "manage-messaging-services",
    "make-calls",
    "call-recordings",
    "verify-users",
    "look-up-numbers",
    "read-usage",
    "run-studio-flows",
    "edit-studio-flows",
    "buy-and-configure-numbers",
    "taskrouter-workers",
    "video-rooms",
    "content-templates",
    "monitor-alerts",
    "conferences",
    "ai-assistant",
]
GOOD = """
[[template]]
slug = "nightly-report"
title = "Nightly report"
description = "Read usage every night."
group = "Our own"
name = "Nightly report"
permissions = ["/twilio/billing/usage/read"]
"""


def written(tmp_path, text):
    path = tmp_path / "ours.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("template", SHIPPED, ids=lambda template: template.slug)
def test_it_is_a_policy_of_existing_explicit_permissions(template):
    assert Policy.parse(template.permissions).allow == template.permissions
    assert not [name for name in template.permissions if name.endswith(WILDCARD) or name not in catalogue()]
    assert 0 < len(template.name) <= MAX_NAME
    assert template.description.endswith(".")


@pytest.mark.parametrize("template", SHIPPED, ids=lambda template: template.slug)
def test_no_template_hands_out_the_account(template):
    assert policy_risk(template.permissions) is not Risk.CRITICAL


@pytest.mark.parametrize("template", SHIPPED, ids=lambda template: template.slug)
def test_what_the_description_denies_is_not_in_it(template):
    actions = {name.rpartition("/")[2] for name in template.permissions}
    if "Cannot delete" in template.description or "Cannot release" in template.description:
        own_resources = {name.rpartition("/")[0] for name in template.permissions if name.endswith("/create")}
        allowed = {"/twilio/messaging/services.phonenumbers"}  # taking a number out of a service, not the service
        assert not {name.rpartition("/")[0] for name in template.permissions if name.endswith("/delete")} - allowed
        assert own_resources or actions <= {"list", "read", "update"}
    if "Cannot change anything" in template.description or "Cannot hear" in template.description:
        assert actions <= {"list", "read"}
    if "send" in template.description.partition("Cannot")[2]:
        assert "/twilio/messaging/messages/create" not in template.permissions


def test_an_assistant_reads_what_is_of_low_risk_and_changes_nothing():
    template = find_template("ai-assistant")
    assert policy_risk(template.permissions) is Risk.LOW
    assert {name.rpartition("/")[2] for name in template.permissions} == {"list", "read"}
    assert "mcp.json" in template.description


@pytest.mark.parametrize("slug", PROMISED)
def test_it_is_there(slug):
    assert find_template(slug) in SHIPPED


def test_slugs_and_titles_are_unique_and_groups_stay_together():
    assert len({template.slug for template in SHIPPED}) == len({template.title for template in SHIPPED}) == len(SHIPPED)
    groups = [template.group for template in SHIPPED]
    assert sum(one != other for one, other in pairwise(groups)) + 1 == len(set(groups))


def test_an_unknown_slug_finds_nothing():
    assert find_template("no-such") is None


def test_sending_needs_create_read_and_list_of_messages_and_no_more():
    assert find_template("send-sms").permissions == (
        "/twilio/messaging/messages/create",
        "/twilio/messaging/messages/list",
        "/twilio/messaging/messages/read",
    )


def test_an_operators_template_is_added_at_the_end(tmp_path):
    found = templates(written(tmp_path, GOOD))
    assert found[:-1] == SHIPPED
    assert (found[-1].slug, found[-1].permissions) == ("nightly-report", ("/twilio/billing/usage/read",))
    assert find_template("nightly-report", written(tmp_path, GOOD)) == found[-1]


def test_an_operators_template_replaces_the_shipped_one_in_its_place(tmp_path):
    found = templates(written(tmp_path, GOOD.replace("nightly-report", "make-calls")))
    assert [template.slug for template in found] == [template.slug for template in SHIPPED]
    assert find_template("make-calls", tmp_path / "ours.toml").title == "Nightly report"
    assert find_template("make-calls").title == "Make calls"


def test_a_wildcard_in_an_operators_file_is_spelled_out(tmp_path):
    path = written(tmp_path, GOOD.replace("billing/usage/read", "voice/calls/*"))
    assert len(find_template("nightly-report", path).permissions) == 5


def test_an_empty_file_adds_nothing(tmp_path):
    assert templates(written(tmp_path, "# nothing yet\n")) == SHIPPED


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("usage/read", "usage/reed", "not in the catalogue"),
        ("usage/read", "usage/*", "not in the catalogue"),
        ('["/twilio/billing/usage/read"]', "[]", "at least one"),
        ('["/twilio/billing/usage/read"]', "[1]", "list of texts"),
        ('["/twilio/billing/usage/read"]', '"/twilio/billing/usage/read"', "list of texts"),
        ('title = "Nightly report"', "title = 3", "title must be a text"),
        ('title = "Nightly report"', 'title = "  "', "title must be a text"),
        ('title = "Nightly report"', "", "title"),
        ('title = "Nightly report"', 'title = "x"\ncolour = "red"', "colour"),
        ('name = "Nightly report"', f'name = "{"x" * (MAX_NAME + 1)}"', "longer than"),
    ],
)
def test_a_malformed_template_is_refused_by_file_and_slug(tmp_path, old, new, said):
    assert old in GOOD
    with pytest.raises(ValueError, match=said) as refusal:
        templates(written(tmp_path, GOOD.replace(old, new)))
    assert "ours.toml" in str(refusal.value)
    assert "nightly-report" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[template", "not TOML"),
        (b"\xff\xfe", "cannot be read"),
        (GOOD + GOOD, "nightly-report: this slug is used twice"),
        (GOOD.replace("nightly-report", "Nightly Report"), "Nightly Report: a slug is made of"),
        ("template = 3", "written as"),
        ('[template]\nslug = "x"', "written as"),
        ("[[templates]]", "not templates"),
    ],
)
def test_a_malformed_file_is_refused_by_name(tmp_path, text, said):
    with pytest.raises(ValueError, match=said) as refusal:
        templates(written(tmp_path, text))
    assert "ours.toml" in str(refusal.value)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.toml"):
        templates(tmp_path / "absent.toml")


def test_an_operators_file_is_held_against_the_catalogue_in_use(tmp_path):
    class Small:
        def __contains__(self, name):
            return name == "/twilio/new-product/things/read"

        def nearest(self, name, count=3):
            return []

    path = written(tmp_path, GOOD.replace("billing/usage", "new-product/things"))
    assert find_template("nightly-report", path, Small()).permissions == ("/twilio/new-product/things/read",)
    with pytest.raises(ValueError, match="new-product"):
        templates(path)
