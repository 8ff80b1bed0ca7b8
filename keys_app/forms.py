"""Checks what people type. A form refuses at the field it belongs to and keeps everything typed."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django import forms
from django.contrib.auth.models import User
from django.core.validators import MaxValueValidator
from django.db.models import Model, QuerySet
from django.utils import timezone

from keys_app.catalogue import current
from keys_app.core.actor import name_and_login
from keys_app.core.errors import InvalidInput
from keys_app.core.model_fields import choices_of
from keys_app.core.text import comment_problem, counted, reason_problem
from keys_app.core.typed import unified
from keys_app.key_requests.validation import MAX_TASK, incident_problem, name_problem, purpose_problem, ticket_problem
from keys_app.keys.models import ApiKey
from keys_app.organisation import access, preferences
from keys_app.organisation.models import MAX_LIFETIME_DAYS, Account, Team
from keys_app.permissions.catalogue import Catalogue
from keys_app.permissions.policy import Policy, Unknown, UnknownPermissions
from keys_app.permissions.risk import Risk

Kind = TypeVar("Kind", bound=forms.Field)
Row = TypeVar("Row", bound=Model)

if TYPE_CHECKING:

    class ModelForm(forms.ModelForm[Row]):
        """Django's own, with the type argument that only its stubs know."""
else:

    class ModelForm(forms.ModelForm, Generic[Row]):
        """Django's own, which takes no type argument by itself."""


MAX_POSTED = 600
"""More than any sensible choice from the catalogue. Above it nothing is looked up."""


def field_of(form: forms.BaseForm, name: str, kind: type[Kind]) -> Kind:
    """Return a form's field, as the kind of field it was declared as."""
    field = form.fields[name]
    assert isinstance(field, kind)
    return field


class PermissionsField(forms.Field):
    """Reads the repeated field `permissions` into a `Policy`; `unknown` keeps what does not exist."""

    widget = forms.SelectMultiple  # reads the repeated field; the template draws the boxes
    known: Catalogue | None = None

    def clean(self, value: Any) -> Policy:
        names = [name.strip() for name in value or [] if name.strip()]
        if len(names) > MAX_POSTED:
            raise forms.ValidationError(f"{len(names)} permissions were sent. Choose 1 to 100.", code="too_many")
        try:
            return Policy.parse(names, self.known)
        except UnknownPermissions as error:
            raise forms.ValidationError([item.message for item in error.unknown[:10]], code="unknown") from None
        except InvalidInput as error:
            raise forms.ValidationError(error.message, code="invalid") from None


class RuledField(forms.CharField):
    """A text whose rule stands where it is written, which holds it as well."""

    def __init__(self, problem: Callable[[str], str], **options: Any) -> None:
        super().__init__(required=False, **options)
        self.problem = problem

    def clean(self, value: Any) -> str:
        text = unified(super().clean(value))
        message = self.problem(text)
        if message:
            raise forms.ValidationError(message)
        return text


class RequestForm(forms.Form):
    """The request for a key, for one person. Its fields stand in the page's order, and so do its refusals."""

    account = forms.ChoiceField(
        error_messages={
            "required": "Choose a Twilio account.",
            "invalid_choice": "Choose one of your teams' accounts. “%(value)s” is not one.",
        }
    )
    team = forms.ChoiceField(
        required=False, error_messages={"invalid_choice": "Choose one of your teams. “%(value)s” is not one."}
    )
    friendly_name = RuledField(name_problem, label="Name", strip=True)
    lifetime_days = forms.IntegerField(
        label="Lifetime in days",
        initial=90,
        min_value=1,
        max_value=MAX_LIFETIME_DAYS,
        error_messages={
            "required": "Enter a lifetime in days.",
            "invalid": "Enter a whole number of days.",
            "min_value": "Minimum lifetime: 1 day.",
            "max_value": f"Maximum lifetime: {MAX_LIFETIME_DAYS} days.",
        },
    )
    purpose = RuledField(purpose_problem, widget=forms.Textarea(attrs={"rows": 3}))
    ticket_url = RuledField(ticket_problem, label="Ticket")
    incident = RuledField(lambda number: incident_problem(number) if number else "", label="Incident number")
    permissions = PermissionsField()
    template = forms.CharField(required=False, max_length=MAX_TASK, widget=forms.HiddenInput)
    changes_key = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, who: access.Person, known: Catalogue, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.who = who
        field_of(self, "permissions", PermissionsField).known = known
        self.accounts = {account.sid: account for account in access.accounts_for(who).prefetch_related("teams")}
        field_of(self, "account", forms.ChoiceField).choices = [("", "Choose…")] + [
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
        field = field_of(self, "team", forms.ChoiceField)
        field.choices = [("", "Choose…"), *sorted(names.items(), key=lambda item: item[1])]
        field.help_text = "Only needed where the account belongs to more than one of your teams."

    def _own_teams(self, account: Account) -> list[Team]:
        return [team for team in account.teams.all() if team.pk in self.who.team_ids]

    def key_to_change(self) -> ApiKey | None:
        """Return the key this request is to take the place of, if it is one of this person's live keys."""
        sid = str(self["changes_key"].value() or "")  # as it was typed: PostgreSQL can't look for every text
        return ApiKey.changeable_by(self.who.user).filter(pk=sid).first() if sid.isalnum() else None

    def chosen_account_and_team(self) -> tuple[Account | None, Team | None]:
        """Return the account chosen so far, and the team where there is no doubt about it."""
        account = self.accounts.get(str(self["account"].value() or ""))
        if account is None:
            return None, None
        teams = self._own_teams(account)
        chosen = str(self["team"].value()) if "team" in self.fields else ""
        return account, next((team for team in teams if len(teams) == 1 or str(team.pk) == chosen), None)

    def clean_changes_key(self) -> ApiKey | None:
        """Refuse a key that is not a live one of one's own."""
        key = self.key_to_change()
        if key is None and self.cleaned_data["changes_key"]:
            raise forms.ValidationError("The key to change is not one of your live keys. Start again from its page.")
        return key

    def clean(self) -> dict[str, Any]:
        """Find the team, and hold the limits of team and account on the lifetime."""
        super().clean()
        cleaned = self.cleaned_data
        if cleaned.get("incident"):
            cleaned["lifetime_days"] = 1  # the key lives a day, whatever the field says
        account = self.accounts.get(cleaned.get("account", ""))
        if account is None:
            return cleaned
        cleaned["account"] = account
        team = self._choose_team(self._own_teams(account), cleaned.get("team"))
        cleaned["team"] = team
        days = cleaned.get("lifetime_days") or 0
        if team and days > team.max_lifetime_days:
            self.add_error(
                "lifetime_days", f"Maximum lifetime in team {team.name}: {counted(team.max_lifetime_days, 'day')}."
            )
        elif account.max_lifetime_days and days > account.max_lifetime_days:
            limit = f"Maximum lifetime on account {account.name}: {counted(account.max_lifetime_days, 'day')}."
            self.add_error("lifetime_days", limit)
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

    reason = RuledField(reason_problem, widget=forms.Textarea(attrs={"rows": 2}))


class CommentForm(forms.Form):
    """A question about a request, or an answer."""

    comment = RuledField(comment_problem, strip=True, widget=forms.Textarea(attrs={"rows": 3}))


_SOON = MaxValueValidator(
    lambda: timezone.now().date() + timedelta(days=730), "Choose a day within the next two years."
)


class DeputyForm(forms.Form):
    """A deputy for one of the teams a person leads. Both days count whole, in UTC."""

    team = forms.ChoiceField(
        error_messages={"required": "Choose a team.", "invalid_choice": "Choose one of your teams."}
    )
    deputy = forms.ChoiceField(
        error_messages={"required": "Choose a deputy.", "invalid_choice": "Choose a user of your teams."}
    )
    since = forms.DateField(
        label="First day",
        validators=[_SOON],
        error_messages={"required": "Choose the first day.", "invalid": "Enter a date."},
    )
    until = forms.DateField(
        label="Last day",
        validators=[_SOON],
        error_messages={"required": "Choose the last day.", "invalid": "Enter a date."},
    )

    def __init__(self, who: access.Person, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.teams = {str(team.pk): team for team in access.teams_led(who)}
        people = access.possible_deputies(self.teams.values()).exclude(pk=who.user.pk)
        self.people = {str(person.pk): person for person in people}
        field_of(self, "team", forms.ChoiceField).choices = [("", "Choose…")] * (len(self.teams) > 1) + [
            (pk, team.name) for pk, team in self.teams.items()
        ]
        field_of(self, "deputy", forms.ChoiceField).choices = [("", "Choose…")] + [
            (pk, name_and_login(person)) for pk, person in self.people.items()
        ]

    def period(self) -> tuple[datetime, datetime]:
        """Return the begin of the first day and the end of the last one."""
        since, until = self.cleaned_data["since"], self.cleaned_data["until"]
        midnight = time(tzinfo=UTC)
        return datetime.combine(since, midnight), datetime.combine(until, midnight) + timedelta(days=1)


class PreferencesForm(forms.Form):
    """What users choose for themselves: `preferences.chosen_by` names the fields."""

    time_zone = forms.ChoiceField(label="Time zone")
    shortcuts = forms.ChoiceField(label="Keyboard shortcuts", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field_of(self, "time_zone", forms.ChoiceField).choices = [(zone, zone) for zone in preferences.zones()]
        field_of(self, "shortcuts", forms.ChoiceField).choices = [("on", "On"), ("off", "Off")]
        for mails in preferences.ALL:
            words = [(choice, preferences.WORDS[choice]) for choice in mails.choices]
            self.fields[mails.name] = forms.ChoiceField(label=mails.label, choices=words)

    @property
    def about_mails(self) -> list[forms.BoundField]:
        return [self[mails.name] for mails in preferences.ALL]


class AdoptForm(forms.Form):
    """Who answers for a key that the portal never made, and until when. Teams are those this person leads."""

    team = forms.ModelChoiceField(queryset=Team.objects.none(), empty_label=None)
    owner = forms.ModelChoiceField(queryset=User.objects.none(), empty_label="Choose…")
    lifetime_days = forms.IntegerField(
        label="Days until it is deleted",
        initial=90,
        min_value=1,
        max_value=MAX_LIFETIME_DAYS,
        error_messages={"required": "Say in how many days the key is deleted."},
    )

    def __init__(self, teams: QuerySet[Team], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        members = User.objects.filter(is_active=True, memberships__team__in=teams).distinct()
        field_of(self, "team", forms.ModelChoiceField).queryset = teams
        owner = field_of(self, "owner", forms.ModelChoiceField)
        owner.queryset = members.order_by("first_name", "username")
        # Django takes a function there too; a class of it would say no more
        owner.label_from_instance = name_and_login  # type: ignore[assignment, method-assign]


class ProposeForm(forms.Form):
    """The team whose leads are asked to adopt a key."""

    team = forms.ModelChoiceField(queryset=Team.objects.none(), empty_label="Choose…")

    def __init__(self, account: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field_of(self, "team", forms.ModelChoiceField).queryset = account.teams.all()


class LinesField(forms.CharField):
    """A list of permissions, one a line, kept as a list. Each must be in the catalogue."""

    widget = forms.Textarea(attrs={"rows": 4, "cols": 70, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        names = list(dict.fromkeys(super().clean(value).split()))
        known = current.current_catalogue()
        unknown = [Unknown(name, tuple(known.nearest(name))).message for name in names if name not in known]
        if unknown:
            raise forms.ValidationError(unknown[:10])
        return names


class OneNameForm(ModelForm[Row]):
    """Refuses a name that differs from another's only in case or spaces, which searches and commands would confuse."""

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        others = self._meta.model._default_manager.exclude(pk=self.instance.pk)
        if twin := others.filter(name__iexact=name).first():
            raise forms.ValidationError(f"There is “{twin}” already. Choose a name that differs in more than case.")
        return name


class GuardRailsForm(ModelForm[Row]):
    """The limits of a team or account in the admin."""

    allowed_products = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Only these products may be asked for. None ticked: all of them.",
    )
    forbidden_permissions = LinesField(
        required=False, help_text="One permission a line. /twilio/product/resource/* forbids all of a resource."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        products = current.current_catalogue().products
        field_of(self, "allowed_products", forms.MultipleChoiceField).choices = [
            (product.name, product.title) for product in products
        ]
        self.fields["max_risk"].help_text = "A request of a higher risk is refused."
        risks = [("", "No limit"), *choices_of(Risk)]
        field_of(self, "max_risk", forms.TypedChoiceField).choices = risks
