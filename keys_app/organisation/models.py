"""Teams, their members and deputies, Twilio accounts, the guardrails of both, and the forms people sent."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from keys_app.core.model_fields import account_sid, choices_of
from keys_app.permissions.guardrails import GuardRails
from keys_app.permissions.risk import Risk

MAX_LIFETIME_DAYS = 365


class GuardRailed(models.Model):
    """Limits an operator sets on what may be asked for. Empty means no limit."""

    allowed_products = models.JSONField(default=list, blank=True)
    forbidden_permissions = models.JSONField(default=list, blank=True)
    max_risk = models.CharField(max_length=10, choices=choices_of(Risk), blank=True)
    max_lifetime_days: int | None

    class Meta:
        abstract = True

    @property
    def guard_rails(self) -> GuardRails:
        return GuardRails(
            allowed_products=frozenset(self.allowed_products),
            forbidden=frozenset(self.forbidden_permissions),
            max_risk=Risk(self.max_risk) if self.max_risk else None,
            max_lifetime_days=self.max_lifetime_days,
        )


ONE_NAME = "There is one with this name already. Choose a name that differs in more than case."


class Team(GuardRailed):
    """Who asks for keys together. Its leads decide, within its guardrails."""

    name = models.CharField(max_length=80, unique=True)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, through="TeamMembership", related_name="portal_teams")
    max_lifetime_days = models.PositiveSmallIntegerField(
        default=MAX_LIFETIME_DAYS,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_LIFETIME_DAYS)],
        help_text="The longest lifetime of a key this team may ask for, in days.",
    )
    notice_email = models.EmailField(
        "mail address", blank=True, help_text="An address of the whole team that gets its notices too."
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(max_lifetime_days__range=(1, MAX_LIFETIME_DAYS)),
                name="team_max_lifetime_in_range",
            ),
            models.UniqueConstraint(Lower("name"), name="one_team_of_a_name", violation_error_message=ONE_NAME),
        ]

    def __str__(self) -> str:
        return self.name


class TeamMembership(models.Model):
    """A person in a team; a lead decides the team's requests, never their own."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    is_lead = models.BooleanField("leads the team", default=False)
    may_break_glass = models.BooleanField(
        "may break glass",
        default=False,
        help_text="May issue a key for an incident at once. It lives a day at most and is reviewed afterwards.",
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="one_membership_per_team")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class Account(GuardRailed):
    """A Twilio account and the credential the portal manages its keys with, encrypted."""

    class Environment(models.TextChoices):
        PRODUCTION = "production"
        STAGING = "staging"
        DEVELOPMENT = "development"

    sid = models.CharField(max_length=34, primary_key=True, validators=[account_sid])
    name = models.CharField(max_length=80)
    environment = models.CharField(max_length=20, choices=Environment.choices)
    teams = models.ManyToManyField(Team, related_name="accounts", blank=True)
    max_lifetime_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_LIFETIME_DAYS)],
        help_text="The longest lifetime of a key on this account, in days.",
    )
    leads_required = models.PositiveSmallIntegerField(
        "leads required",
        default=1,
        choices=[(1, "One lead"), (2, "Two leads")],
        help_text="How many leads approve a request. Security still gives one more approval on a critical one.",
    )
    is_active = models.BooleanField(
        default=True, help_text="Without it, no new key is asked for or issued on this account."
    )
    credential_user = models.CharField(max_length=34, editable=False)
    credential_ciphertext = models.TextField(editable=False)
    connected_at = models.DateTimeField(editable=False)
    proved_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When the credential was tried with all that the portal does; empty if only with a listing.",
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(credential_ciphertext=""), name="account_has_a_credential"),
            models.CheckConstraint(condition=Q(leads_required__range=(1, 2)), name="account_leads_required_in_range"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.environment})"


class Delegation(models.Model):
    """A lead's deputy for one team and one period. It ends with the lead's own rights, if those end earlier."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="delegations")
    lead = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="delegations_given")
    deputy = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="delegations_held")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, help_text="When the lead ended it, before its planned end.")

    class Meta:
        ordering = ["starts_at", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(lead=F("deputy")), name="deputy_is_somebody_else"),
            models.CheckConstraint(condition=Q(ends_at__gte=F("starts_at")), name="delegation_ends_after_it_starts"),
        ]

    def __str__(self) -> str:
        return f"{self.deputy} for {self.lead} in {self.team}"


class Preferences(models.Model):
    """What a user chose for themselves: see `preferences`. No row: nothing."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="preferences"
    )
    time_zone = models.CharField(max_length=64, blank=True)
    mails = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"preferences of {self.user_id}"


class SentForm(models.Model):
    """A form that created something, kept for a day so that sending it again creates nothing: see `sent_forms`."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    token = models.CharField(max_length=64)
    path = models.CharField(max_length=200)
    sent_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "token"], name="one_use_of_a_form")]

    def __str__(self) -> str:
        return f"form {self.pk}"


class Draft(models.Model):
    """What a user typed into a form that could not be received, kept for an hour: see `drafts`."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=200, help_text="Where the form is sent to.")
    fields_json = models.TextField()
    made_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "path"], name="one_draft_of_a_form")]

    def __str__(self) -> str:
        return f"draft {self.pk}"


class ProviderGroup(models.Model):
    """What a group of the sign-in provider gives here, unless a file says it: see `provider_groups`."""

    name = models.CharField("group of the provider", max_length=200, unique=True, help_text="As its tokens name it.")
    group = models.ForeignKey(
        "auth.Group", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="role"
    )
    teams = models.ManyToManyField(Team, blank=True, related_name="+")
    lead = models.BooleanField("leads these teams", default=False)
    admin = models.BooleanField("portal admin", default=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def rights(self) -> dict[str, object]:
        """Return what it gives, as the ledger tells it."""
        return {
            "group": self.group.name if self.group else "",
            "teams": sorted(self.teams.values_list("name", flat=True)),
            "lead": self.lead,
            "admin": self.admin,
        }


class ProviderRight(models.Model):
    """A right that a user has from a group of the provider, and not by hand: see `provider_groups.Right`.

    The right itself is where all others are; this says that it goes with its group.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="provider_rights")
    right = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "right"], name="one_provider_right")]

    def __str__(self) -> str:
        return f"{self.right} of {self.user_id}"
