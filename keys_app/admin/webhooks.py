"""Webhooks. The mail queue's own pages are left out: they could write mail as the portal."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest
from post_office.models import Attachment, EmailTemplate, Log
from post_office.models import Email as QueuedMail

from keys_app.forms import ModelForm
from keys_app.notifications.models import Webhook
from keys_app.notifications.webhook_hosts import NOT_SENT, is_listed
from keys_app.notifications.webhooks import (
    MAKE_SECRET,
    address_problem,
    secret_problem,
    set_address,
    set_signing_secret,
)

from .audited import AuditedAdmin
from .columns import named, yes_no

for model in (Attachment, EmailTemplate, Log, QueuedMail):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class EventKindsField(forms.CharField):
    """The beginnings of kinds of events, one a line, kept as a list."""

    widget = forms.Textarea(attrs={"rows": 4, "cols": 40, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        kinds = list(dict.fromkeys(part.strip(".") for part in super().clean(value).split()))
        if any(not kind.replace(".", "_").isidentifier() for kind in kinds):
            raise forms.ValidationError("Write kinds as the audit does, one a line: request, alarm, key.issued.")
        return kinds


class WebhookForm(ModelForm[Webhook]):
    """A webhook as it is typed. Address and signing secret are asked for and never shown again."""

    url = forms.CharField(label="Address", required=False, widget=forms.TextInput({"size": 70}))
    event_kinds = EventKindsField(
        label="Events",
        required=False,
        help_text="One a line, as the audit names them. “request” stands for all about requests. Empty: all.",
    )
    signing_secret = forms.CharField(
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "size": 70}),
        help_text=f"For JSON: what the receiver checks the signature with. Make one: {MAKE_SECRET}. Never shown again.",
    )

    columns = {"url": ["url_ciphertext", "url_host"], "signing_secret": ["signing_secret_ciphertext"]}

    class Meta:
        model = Webhook
        fields = ["name", "kind", "team", "event_kinds", "is_active"]
        labels = {"kind": "Format"}
        help_texts = {"team": "Only what concerns this team is sent.", "is_active": "Untick it to stop it."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("url", "signing_secret"):
            setattr(self.fields[name], "is_needed", True)  # noqa: B010 for the page: not optional, if not asked for again
        if not self.instance._state.adding:
            keep = f"Goes to {self.instance.url_host}. Empty: it stays as it is."
            self.fields["url"].help_text = keep
            self.fields["signing_secret"].help_text += " Empty: it stays as it is."

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        if not url and self.instance.url_ciphertext:
            return ""
        if problem := address_problem(url):
            raise forms.ValidationError(problem)
        return url

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        secret = data.get("signing_secret", "")
        needed = data.get("kind") == Webhook.Kind.GENERIC and not self.instance.signing_secret_ciphertext
        if (secret or needed) and (problem := secret_problem(secret)):
            self.add_error("signing_secret", problem)
        return data

    def save(self, commit: bool = True) -> Webhook:
        """Encrypt what was typed; the admin saves the webhook then."""
        if self.cleaned_data["url"]:
            set_address(self.instance, self.cleaned_data["url"])
        if self.cleaned_data["signing_secret"]:
            set_signing_secret(self.instance, self.cleaned_data["signing_secret"])
        return super().save(commit)


@admin.register(Webhook)
class WebhookAdmin(AuditedAdmin[Webhook]):
    """Webhooks, with how their deliveries go."""

    form = WebhookForm
    many, one = "Webhooks", "webhook"
    what_for = "Send notices to chat or to another system."
    list_display = ["name", "sent_as", named("url_host", "Goes to"),
                    named("team", "Team", "Every team"), yes_no("is_active", "Active")]  # fmt: skip
    list_select_related = ["team"]
    empty_labels = {"team": "Every team"}
    readonly_fields = ["deliveries"]

    def get_fields(self, request: HttpRequest, obj: Webhook | None = None) -> tuple[str, ...]:
        typed = ("name", "kind", "url", "signing_secret", "team", "event_kinds", "is_active")
        return (*typed, "deliveries") if obj else typed

    @admin.display(description="Format", ordering="kind")
    def sent_as(self, webhook: Webhook) -> str:
        return webhook.get_kind_display()

    @admin.display(description="Deliveries of the last 30 days")
    def deliveries(self, webhook: Webhook) -> str:
        """Say how it goes, so that a wrong address is seen where it is put right."""
        rows = webhook.deliveries.aggregate(
            done=Count("pk", filter=Q(delivered_at__isnull=False)),
            gave_up=Count("pk", filter=Q(gave_up_at__isnull=False)),
            waiting=Count("pk", filter=Q(delivered_at=None, gave_up_at=None)),
        )
        last = webhook.deliveries.exclude(last_error="").order_by("-created_at").first()
        note = f" The last problem: {last.last_error}." if last else ""
        if not is_listed(webhook.url_host):
            note = f" Nothing is sent: {NOT_SENT}."
        return f"{rows['done']} delivered, {rows['waiting']} waiting, {rows['gave_up']} given up.{note}"
