"""Takes a login, leaves what its role may do: agents work, supervisors use the admin, customers neither."""

from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db import DEFAULT_DB_ALIAS
from django.db.models import F
from django.db.models.signals import post_migrate
from django.http import HttpRequest

from accounts.models import User

SUPERVISORS = "supervisors"

# By label, because this app must not know what stands above it.
WALK = ("accounts", "links", "conversations")
KEEP = ("view", "add", "change")
# The roster is the supervisors' own. Everything else of the walk they see, and change as far as its admin
# lets them: states and proofs by actions only.
VERBS = {
    "click": ("view",),
    "approvalrule": KEEP,
    "replytemplate": KEEP,
    "agent": KEEP,
    "customer": KEEP,
    "team": (*KEEP, "delete"),
    "shift": (*KEEP, "delete"),
    "openinghours": (*KEEP, "delete"),
}


def is_supervisor(user: AbstractBaseUser | AnonymousUser) -> bool:
    """An active member of staff."""
    return bool(user.is_authenticated and user.is_active and getattr(user, "is_staff", False))


def appoint_supervisor(user: User) -> None:
    """Make the login a supervisor: staff, in the supervisors' group, its older sessions ended. Idempotent."""
    user.groups.add(Group.objects.get_or_create(name=SUPERVISORS)[0])
    if User.objects.filter(pk=user.pk, is_staff=False).update(is_staff=True, epoch=F("epoch") + 1):
        user.refresh_from_db(fields=["is_staff", "epoch"])


def end_sessions(user: User) -> None:
    """Sign the person out everywhere: the next request or look of a socket finds another epoch."""
    User.objects.filter(pk=user.pk).update(epoch=F("epoch") + 1)
    user.refresh_from_db(fields=["epoch"])


def end_other_sessions(sender: Any, request: HttpRequest, user: User, **_: Any) -> None:
    """Another set of second factors ends every session of before but this one."""
    end_sessions(user)
    update_session_auth_hash(request, user)


def close_login(user: User) -> bool:
    """Let the person in no more and sign them out everywhere; True when the login was open."""
    closed = User.objects.filter(pk=user.pk, is_active=True).update(is_active=False, epoch=F("epoch") + 1) == 1
    user.refresh_from_db(fields=["is_active", "epoch"])
    return closed


def open_login(user: User) -> bool:
    """Let the person in again; True when the login was closed."""
    opened = User.objects.filter(pk=user.pk, is_active=False).update(is_active=True, epoch=F("epoch") + 1) == 1
    user.refresh_from_db(fields=["is_active", "epoch"])
    return opened


def grant_supervisors(sender: AppConfig, using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """After an app of the walk was migrated, give the supervisors' group its rights on it; take none away."""
    if sender.label not in WALK:
        return
    # Whichever order the receivers run in, the permissions must be there first.
    create_permissions(sender, using=using, verbosity=0)
    names = [model._meta.model_name or "" for model in sender.get_models()]
    codes = [f"{verb}_{name}" for name in names for verb in VERBS.get(name, ("view", "change"))]
    rights = Permission.objects.using(using).filter(content_type__app_label=sender.label, codename__in=codes)
    Group.objects.using(using).get_or_create(name=SUPERVISORS)[0].permissions.add(*rights)


def watch() -> None:
    """Called once the apps are loaded."""
    post_migrate.connect(grant_supervisors, dispatch_uid="accounts.permissions.grant_supervisors")
    if apps.is_installed("allauth.mfa"):  # the link host knows no sign-in
        from allauth.mfa import signals

        for change in (signals.authenticator_added, signals.authenticator_removed, signals.authenticator_reset):
            change.connect(end_other_sessions, dispatch_uid="accounts.permissions.end_other_sessions")
