"""Takes an empty house and a running sandbox, leaves the demo's people, handles, rules and templates; never a case.

A second run changes nothing: what is there stays as it is, also when somebody has changed it by hand meanwhile.
"""

from collections.abc import Iterable
from datetime import time
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.models import Agent, Customer, Shift, Team, User
from accounts.permissions import appoint_supervisor
from conversations import credentials
from conversations.management import demo
from conversations.models import ApprovalRule, Brand, BrandAccount, ListeningRule, ReplyTemplate
from conversations.networks.base import Tokens
from conversations.networks.errors import NetworkError

ALWAYS = time(0, 0)  # a shift that ends at its start lasts until the next day


class Command(BaseCommand):
    """`manage.py seed`"""

    help = "Seeds the demo: people, the brand and its handles, rules, templates. Idempotent; only where DEMO=1."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError(
                "Seeding makes people whose password everybody knows, so it runs only in the demo: set DEMO=1."
            )
        if not settings.DEMO_SEED:
            raise CommandError("The demo's staff sign in with codes made from DEMO_SEED: set it to random characters.")
        with httpx.Client(base_url=settings.X_API_URL, timeout=10, trust_env=False) as client:
            world = Sandbox(client)
            world.people(demo.PEOPLE)
            with transaction.atomic():
                made = Seeding().everybody()
                team = Team.objects.get(name=demo.TEAM)
                made += the_brand()
            made += the_accounts(team, world)
        self.stdout.write(f"Seeded: {made} rows new." if made else "Seeded before: nothing to do.")


class Sandbox:
    """The outside world of the demo, over HTTP only."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def people(self, people: Iterable[demo.Person]) -> None:
        """Make sure that these people exist there."""
        self._post("/_sandbox/people", {"people": [person._asdict() for person in people]})

    def tokens(self, handle: str) -> Tokens:
        """What the brand would get by connecting its account: an access and a refresh token of its own."""
        said = self._post("/_sandbox/tokens", {"handle": handle, "scopes": list(credentials.SCOPES)})
        return Tokens(
            access_token=said["access_token"],
            refresh_token=said.get("refresh_token"),
            expires_in=said["expires_in"],
            scopes=credentials.SCOPES,
        )

    def knows(self, access_token: str) -> bool:
        """Whether a token still opens the account (the sandbox may have been reset since)."""
        return self._client.get("/2/users/me", headers={"Authorization": f"Bearer {access_token}"}).is_success

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._client.post(path, json=body).raise_for_status()
        except httpx.HTTPError as error:
            raise CommandError(
                f"The sandbox does not answer at {self._client.base_url}{path.lstrip('/')} ({error}). "
                "Start it first: ./run does, or see docs/walk.md."
            ) from error
        said: dict[str, Any] = answer.json()
        return said


class Seeding:
    """The demo's logins; one hash serves them all, since everybody may know the password anyway."""

    @cached_property
    def password(self) -> str:
        """Made once and only when somebody is new: hashing is slow on purpose."""
        return make_password(demo.DEMO_PASSWORD)

    def everybody(self) -> int:
        """The supervisor, the agents with their shifts, the customers; the number of people made."""
        team, _ = Team.objects.get_or_create(name=demo.TEAM)
        made = 0
        for username, name in demo.SUPERVISORS:
            user, new = self._login(username, name)
            appoint_supervisor(user)
            made += new + self._factor(user)
        for username, name, languages in demo.AGENTS:
            user, new = self._login(username, name)
            made += new + self._factor(user)
            self._agent(user, name, languages, team)
        for username, name in demo.CUSTOMERS:
            user, new = self._login(username, name)
            made += new
            Customer.objects.get_or_create(user=user, defaults={"name": name})
        return made

    def _login(self, username: str, name: str) -> tuple[User, bool]:
        found = User.objects.filter(username=username).first()
        if found:
            return found, False
        first, _, last = name.partition(" ")
        mail = f"{username}@citi.example"
        user = User.objects.create(
            username=username, email=mail, first_name=first, last_name=last, password=self.password
        )
        return user, True

    def _factor(self, user: User) -> bool:
        """An authenticator whose codes `./run --code NAME` prints, unless they have a second factor of their own."""
        if Authenticator.objects.filter(user=user).exists():
            return False
        TOTP.activate(user, demo.authenticator(settings.DEMO_SEED, user.username))
        return True

    def _agent(self, user: User, name: str, languages: list[str], team: Team) -> None:
        # Offline until they open the workspace: a case must not go to somebody who is not there.
        agent, new = Agent.objects.get_or_create(user=user, defaults={"name": name, "languages": languages})
        if new:
            agent.teams.add(team)
            days = Shift.Weekday.values
            Shift.objects.bulk_create(Shift(agent=agent, weekday=day, starts=ALWAYS, ends=ALWAYS) for day in days)


def the_brand() -> int:
    """The bank, what is listened for, and the texts agents start from; the number of rows made."""
    # What a customer types by hand: this very site, so that it works when typed.
    address = f"{urlsplit(settings.SITE_URL).netloc}/social"
    brand, new = Brand.objects.get_or_create(slug=demo.BRAND["slug"], defaults=demo.BRAND | {"address": address})
    made = int(new)
    for tag, value, names_handles in demo.RULES:
        _, new = ListeningRule.objects.get_or_create(
            brand=brand, tag=tag, defaults={"value": value, "names_handles": names_handles}
        )
        made += new
    for kind, threshold, active in demo.APPROVAL_RULES:
        _, new = ApprovalRule.objects.get_or_create(
            brand=brand, kind=kind, defaults={"threshold": threshold, "active": active}
        )
        made += new
    for use, language, name, text in demo.TEMPLATES:
        _, new = ReplyTemplate.objects.get_or_create(
            brand=brand, use=use, language=language, name=name, defaults={"text": text}
        )
        made += new
    return made


def the_accounts(team: Team, world: Sandbox) -> int:
    """The brand's handles under the ids that the network gives them, each with tokens that work."""
    brand = Brand.objects.get(slug=demo.BRAND["slug"])
    owners = {person.handle for person in demo.PEOPLE if person.owns_app}
    made = 0
    for handle, purpose in demo.ACCOUNTS:
        account = brand.accounts.filter(network="x", handle__iexact=handle).first()
        if account is None:
            account = BrandAccount.objects.create(
                brand=brand,
                handle=handle,
                purpose=purpose,
                team=team,
                external_id=external_id(handle),
                owns_app=handle in owners,
            )
            made += 1
        if account.connected_at is None or not connected(account, world):
            credentials.store(account, world.tokens(handle))
    return made


def external_id(handle: str) -> str:
    """The numeric id behind a handle, asked of the network's own API."""
    try:
        return credentials.network("x").lookup(handle).external_id
    except NetworkError as error:
        raise CommandError(f"The network does not tell who @{handle} is: {error}") from error


def connected(account: BrandAccount, world: Sandbox) -> bool:
    """Whether the tokens we keep still work; a sealed box that does not open counts as none."""
    if not account.sealed_tokens:
        return False
    try:
        return world.knows(credentials.ready(account).access_token)
    except NetworkError:
        return False
