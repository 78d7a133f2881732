"""Takes people as the bank knows them, leaves a row each: logins, agents, shifts, customers, handles."""

from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _


def check_time_zone(name: str) -> None:
    """Refuse a name that the time zone database does not have."""
    if name not in available_timezones():
        raise ValidationError(
            _("“%(name)s” is not a time zone. Give a name like Europe/Berlin."), params={"name": name}
        )


class User(AbstractUser):
    """A login. Raising `epoch` ends every session of the person at once, whatever keeps the session."""

    epoch = models.PositiveIntegerField(
        _("epoch"), default=0, editable=False, help_text=_("Raised when rights change.")
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            # People may sign in by e-mail, so one address must mean one person.
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_unique",
                condition=~Q(email=""),
                violation_error_message=_("Another login has this e-mail address."),
            ),
        ]

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What Django compares at every request and socket: sessions end when either column moves."""
        said = f"{self.epoch}:{self.password}"
        return salted_hmac("accounts.User.session", said, secret=secret, algorithm="sha256").hexdigest()


class Team(models.Model):
    """Agents who share work."""

    name = models.CharField(_("name"), max_length=80, unique=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("team")
        verbose_name_plural = _("teams")

    def __str__(self) -> str:
        return self.name


class Agent(models.Model):
    """Somebody who answers. `availability` is theirs to set, shifts say when it counts.

    It is also set for them: away when they do nothing for long, offline when their last page is gone (`idle`) or a
    supervisor says so (`forced`). `seen_at`: when a page of theirs was last connected; None: never yet. `before` and
    `before_by`: what they were when their last page went, and are again when one is back. `away_since`: None while
    they are online or busy.
    """

    class Availability(models.TextChoices):
        ONLINE = "online", _("online")
        BUSY = "busy", _("busy")
        AWAY = "away", _("away")
        OFFLINE = "offline", _("offline")

    class SetBy(models.TextChoices):
        HAND = "hand", _("by hand")
        IDLE = "idle", _("because nothing was done")
        FORCED = "forced", _("by a supervisor")

    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="agent", verbose_name=_("login"))
    name = models.CharField(_("name"), max_length=80, help_text=_("As customers read it, e.g. “Maya”."))
    languages = ArrayField(
        models.CharField(max_length=8),
        verbose_name=_("languages"),
        default=list,
        blank=True,
        help_text=_("Codes like en, es, de; the best one first."),
    )
    capacity = models.PositiveSmallIntegerField(_("capacity"), default=8, help_text=_("Cases at the same time."))
    availability = models.CharField(
        _("availability"), max_length=8, choices=Availability.choices, default=Availability.OFFLINE
    )
    set_by = models.CharField(_("set by"), max_length=6, choices=SetBy.choices, default=SetBy.HAND, editable=False)
    seen_at = models.DateTimeField(_("seen at"), null=True, editable=False)
    before = models.CharField(max_length=8, choices=Availability.choices, default=Availability.ONLINE, editable=False)
    before_by = models.CharField(max_length=6, choices=SetBy.choices, default=SetBy.HAND, editable=False)
    away_since = models.DateTimeField(_("away since"), null=True, editable=False)
    teams = models.ManyToManyField(Team, related_name="agents", verbose_name=_("teams"), blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[check_time_zone])

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("agent")
        verbose_name_plural = _("agents")
        constraints = [
            models.CheckConstraint(
                condition=Q(availability__in=["online", "busy", "away", "offline"]), name="agent_availability_known"
            ),
            models.CheckConstraint(condition=Q(set_by__in=["hand", "idle", "forced"]), name="agent_set_by_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Shift(models.Model):
    """A weekly stretch of work in the agent's time zone; ending at or before its start it is a night one."""

    class Weekday(models.IntegerChoices):
        MONDAY = 0, _("Monday")
        TUESDAY = 1, _("Tuesday")
        WEDNESDAY = 2, _("Wednesday")
        THURSDAY = 3, _("Thursday")
        FRIDAY = 4, _("Friday")
        SATURDAY = 5, _("Saturday")
        SUNDAY = 6, _("Sunday")

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="shifts", verbose_name=_("agent"))
    weekday = models.PositiveSmallIntegerField(
        _("weekday"), choices=Weekday.choices, validators=[MinValueValidator(0), MaxValueValidator(6)]
    )
    starts = models.TimeField(_("starts"))
    ends = models.TimeField(_("ends"), help_text=_("At or before the start: it ends on the next day."))

    class Meta:
        ordering = ["agent", "weekday", "starts"]
        verbose_name = _("shift")
        verbose_name_plural = _("shifts")
        constraints = [
            models.UniqueConstraint(fields=["agent", "weekday", "starts"], name="shift_once"),
            models.CheckConstraint(condition=Q(weekday__lte=6), name="shift_weekday_known"),
        ]

    def __str__(self) -> str:
        return f"{self.Weekday(self.weekday).label} {self.starts:%H:%M}–{self.ends:%H:%M}"


class Customer(models.Model):
    """Somebody with an account at the bank."""

    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="customer", verbose_name=_("login"))
    name = models.CharField(_("name"), max_length=120)

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("customer")
        verbose_name_plural = _("customers")

    def __str__(self) -> str:
        return self.name


class ProvenHandle(models.Model):
    """A network account that a customer has shown to be theirs. The id counts: handles change hands."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="handles", verbose_name=_("customer"))
    network = models.CharField(_("network"), max_length=20)
    external_id = models.CharField(_("id on the network"), max_length=191)
    handle = models.CharField(_("handle"), max_length=191, help_text=_("As it was called when it was proven."))
    proven_at = models.DateTimeField(_("proven at"))
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    class Meta:
        ordering = ["-proven_at", "-pk"]
        verbose_name = _("proven handle")
        verbose_name_plural = _("proven handles")
        constraints = [
            models.UniqueConstraint(
                fields=["network", "external_id"], condition=Q(revoked_at=None), name="handle_held_once"
            ),
        ]

    def __str__(self) -> str:
        return f"@{self.handle} ({self.network})"
