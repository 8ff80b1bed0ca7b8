"""Checks what people type. A form refuses at the field it belongs to and keeps everything typed."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator

from . import selectors
from .domain.errors import InvalidInput
from .domain.naming import MARKER_LENGTH, MAX_FRIENDLY_NAME, MAX_NAME
from .domain.policy import Policy, UnknownPermissions
from .models import MAX_LIFETIME_DAYS, Account, Team
from .services.reasons import MAX_REASON

MAX_POSTED = 600
"""More than the catalogue holds for any sensible choice; the rest is not even looked up."""


class PermissionsField(forms.Field):
    """Reads the repeated field `permissions` into a `Policy`; `unknown` keeps what does not exist."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> Policy:
        names = [name.strip() for name in value or [] if name.strip()]
        if len(names) > MAX_POSTED:
            raise forms.ValidationError(f"{len(names)} permissions were sent. Choose 1 to 100.", code="too_many")
        try:
            return Policy.parse(names)
        except UnknownPermissions as error:
            raise forms.ValidationError([item.message for item in error.unknown[:10]], code="unknown") from None
        except InvalidInput as error:
            raise forms.ValidationError(error.message, code="invalid") from None


class RequestForm(forms.Form):
    """The request for a key, for one person."""

    account = forms.ChoiceField(
        error_messages={
            "required": "Choose a Twilio account.",
            "invalid_choice": "Choose one of your teams' accounts. “%(value)s” is not one.",
        }
    )
    team = forms.ChoiceField(
        required=False, error_messages={"invalid_choice": "Choose one of your teams. “%(value)s” is not one."}
    )
    friendly_name = forms.CharField(
        label="Name",
        max_length=MAX_NAME,
        validators=[
            RegexValidator(r"\A[^\x00-\x1f\x7f]*\Z", "Use one line without control characters."),
            RegexValidator(r"\[kp:", "“[kp:” is reserved for the portal's marker.", inverse_match=True),
        ],
        error_messages={
            "required": "Give the key a name.",
            "max_length": (
                f"The name has %(show_value)d characters; at most {MAX_NAME} fit, because the portal adds a marker "
                f"of {MARKER_LENGTH} and Twilio allows {MAX_FRIENDLY_NAME}."
            ),
        },
    )
    purpose = forms.CharField(
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say what the key is for. The approver decides by it."},
    )
    ticket_url = forms.URLField(
        label="Ticket",
        required=False,
        max_length=500,
        assume_scheme="https",
        error_messages={"invalid": "Enter a whole address, such as https://tickets.example.com/123."},
    )
    lifetime_days = forms.IntegerField(
        label="Lifetime in days",
        initial=90,
        min_value=1,
        max_value=MAX_LIFETIME_DAYS,
        error_messages={
            "required": "Say how many days the key should live.",
            "invalid": "Enter a whole number of days.",
            "min_value": "A key lives at least 1 day.",
            "max_value": f"A key lives at most {MAX_LIFETIME_DAYS} days.",
        },
    )
    permissions = PermissionsField()

    def __init__(self, who: selectors.Person, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.who = who
        self.accounts = {account.sid: account for account in selectors.accounts_for(who).prefetch_related("teams")}
        self.fields["account"].choices = [("", "Choose…")] + [
            (sid, f"{account.name} · {account.environment} · {sid}") for sid, account in self.accounts.items()
        ]
        self._offer_teams()

    def _offer_teams(self) -> None:
        """Ask for the team only where an account belongs to two of the person's teams."""
        shared = [teams for account in self.accounts.values() if len(teams := self._own_teams(account)) > 1]
        if not shared:
            del self.fields["team"]
            return
        names = {str(team.pk): team.name for teams in shared for team in teams}
        self.fields["team"].choices = [("", "Choose…"), *sorted(names.items(), key=lambda item: item[1])]
        self.fields["team"].help_text = "Only needed where the account belongs to more than one of your teams."

    def _own_teams(self, account: Account) -> list[Team]:
        return [team for team in account.teams.all() if team.pk in self.who.team_ids]

    def clean(self) -> dict[str, Any]:
        """Find the team, and hold its limit on the lifetime."""
        cleaned = super().clean()
        account = self.accounts.get(cleaned.get("account", ""))
        if account is None:
            return cleaned
        cleaned["account"] = account
        team = self._choose_team(self._own_teams(account), cleaned.get("team"))
        cleaned["team"] = team
        days = cleaned.get("lifetime_days")
        if team and days and days > team.max_lifetime_days:
            self.add_error("lifetime_days", f"Keys of team {team.name} live at most {team.max_lifetime_days} days.")
        return cleaned

    def _choose_team(self, teams: list[Team], chosen: str | None) -> Team | None:
        if len(teams) == 1:
            return teams[0]
        for team in teams:
            if str(team.pk) == chosen:
                return team
        if "team" in self.fields and "team" not in self.errors:
            self.add_error("team", "This account belongs to more than one of your teams. Choose one.")
        return None


class ReasonForm(forms.Form):
    """A required reason: for a revocation, or a rejection."""

    reason = forms.CharField(
        max_length=MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={
            "required": "Give a reason.",
            "max_length": f"The reason has %(show_value)d characters; at most {MAX_REASON} are kept.",
        },
    )
