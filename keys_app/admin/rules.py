"""Rules that approve low-risk requests without a person."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin

from keys_app.forms import OneNameForm, field_of
from keys_app.key_requests.decision_models import ApprovalRule
from keys_app.permissions.presets import templates

from .audited import AuditedAdmin

_FIELDS = ("name", "template", "team", "environment", "max_lifetime_days", "is_active")


class ApprovalRuleForm(OneNameForm[ApprovalRule]):
    """An operator's rule. Its task is one of those the request form offers."""

    template = forms.ChoiceField(
        label="Task", help_text="Only requests of low risk that ask for nothing beyond this task are approved."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(template.slug, template.title) for template in templates(settings.TEMPLATES_FILE)]
        field_of(self, "template", forms.ChoiceField).choices = [("", "Choose…"), *known]


@admin.register(ApprovalRule)
class ApprovalRuleAdmin(AuditedAdmin[ApprovalRule]):
    """A rule never approves where an account wants two leads."""

    form = ApprovalRuleForm
    fields = _FIELDS
    list_display = _FIELDS
    list_filter = ["environment", "is_active"]

    def construct_change_message(self, request: Any, form: Any, formsets: Any, add: bool = False) -> Any:
        """Add what was saved: the ledger has to tell what a rule allowed at any time."""
        rule = form.instance
        saved = {name: str(getattr(rule, name)) for name in _FIELDS} | {"team": str(rule.team or "every team")}
        return [*super().construct_change_message(request, form, formsets, add), {"saved": saved}]
