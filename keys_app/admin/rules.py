"""Rules that approve low-risk requests without a person."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin

from keys_app.forms import OneNameForm, field_of
from keys_app.key_requests.decision_models import ApprovalRule
from keys_app.permissions.presets import find_template, templates

from .audited import AuditedAdmin
from .columns import days, named, yes_no

_FIELDS = ("name", "template", "team", "environment", "max_lifetime_days", "is_active")


class ApprovalRuleForm(OneNameForm[ApprovalRule]):
    """An operator's rule. Its task is one of those the request form offers."""

    template = forms.ChoiceField(
        label="Task", help_text="Only requests of low risk that ask for nothing beyond this task are approved."
    )

    class Meta:
        labels = {"max_lifetime_days": "Maximum lifetime in days", "is_active": "Active"}
        help_texts = {
            "team": "",
            "name": "The audit names the rule by this.",
            "max_lifetime_days": "A request for longer waits for a lead.",
            "is_active": "Untick it to stop the rule.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(template.slug, template.title) for template in templates(settings.TEMPLATES_FILE)]
        field_of(self, "template", forms.ChoiceField).choices = [("", "Choose…"), *known]


@admin.register(ApprovalRule)
class ApprovalRuleAdmin(AuditedAdmin[ApprovalRule]):
    """A rule never approves where an account wants two leads."""

    form = ApprovalRuleForm
    many, one = "Rules", "rule"
    what_for = "Approve low-risk requests for a known task without a lead."
    fields = _FIELDS
    list_display = ["name", "task", named("team", "Team", "Every team"), "environment",
                    days("max_lifetime_days", "Maximum lifetime"), yes_no("is_active", "Active")]  # fmt: skip
    list_select_related = ["team"]
    list_filter = ["environment", "is_active"]
    empty_labels = {"team": "Every team"}
    filter_titles = {"is_active": "Active"}

    @admin.display(description="Task", ordering="template")
    def task(self, rule: ApprovalRule) -> str:
        """Return the task's title; its slug where the portal has it no more."""
        found = find_template(rule.template, settings.TEMPLATES_FILE)
        return found.title if found else rule.template

    def construct_change_message(self, request: Any, form: Any, formsets: Any, add: bool = False) -> Any:
        """Add what was saved: the ledger has to tell what a rule allowed at any time."""
        rule = form.instance
        saved = {name: str(getattr(rule, name)) for name in _FIELDS} | {"team": str(rule.team or "every team")}
        return [*super().construct_change_message(request, form, formsets, add), {"saved": saved}]
