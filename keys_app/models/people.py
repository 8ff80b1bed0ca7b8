"""Teams, who is in them, and the Twilio accounts they may use."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from ..model_parts import GuardRailed, account_sid

MAX_LIFETIME_DAYS = 365
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


class SignIn(models.Model):
    """What the portal knows of how a person signs in. No row: nothing of it ever happened.

    A session remembers how often sessions had been ended when it began; deactivating a user, by whatever code or
    statement, ends them (a trigger, migration 0061).
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="sign_in"
    )
    sessions_ended = models.PositiveIntegerField(default=0)
    password_set_by = models.CharField(
        max_length=400, blank=True, help_text="Who set the password, if somebody else than the user did."
    )
    mail_set_by = models.CharField(
        max_length=400, blank=True, help_text="Who changed the mail address, if somebody else than the user did."
    )

    def __str__(self) -> str:
        return f"sign-in of {self.user_id}"


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

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(credential_ciphertext=""), name="account_has_a_credential"),
            models.CheckConstraint(condition=Q(leads_required__range=(1, 2)), name="account_leads_required_in_range"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.environment})"
