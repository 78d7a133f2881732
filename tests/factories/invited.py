"""Takes nothing, leaves a case whose customer was written to with a link, and the people around it."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.http import HttpResponse
from django.test import Client

from accounts.models import Agent, Customer, Team, User
from citisocial.clock import now
from conversations import handoff, invitations
from conversations.models import Author, Brand, BrandAccount, Case, Invitation, Mention, Outgoing
from links import shortener
from rehearsal.pages import read

PASSWORD = "walk-the-talk"
POST_TEXT = "Third time today my card gets declined in Lisbon"


@dataclass
class World:
    """Maya wrote to @maria_m; maria is the customer behind it, jorge another customer, grace a supervisor."""

    case: Case
    invitation: Invitation
    slug: str
    maya: Agent
    maria: Customer
    jorge: Customer

    @property
    def welcome(self) -> str:
        return f"/welcome/{self.slug}/"

    @property
    def chat(self) -> str:
        return f"/chat/{self.case.public_id}/"

    @property
    def recipient_id(self) -> str:
        return self.invitation.outgoing.recipient.external_id


def invited() -> World:
    """An invitation that was sent ten minutes ago and that nobody has opened."""
    team = Team.objects.create(name="Care")
    maya = Agent.objects.create(user=person("maya"), name="Maya", languages=["en"], availability="online")
    maya.teams.add(team)
    brand = Brand.objects.create(name="Citi", slug="citi", address="citi.example/social")
    account = BrandAccount.objects.create(brand=brand, external_id="1001", handle="AskCiti", team=team)
    at = now() - timedelta(minutes=10)
    author = Author.objects.create(
        network="x",
        external_id="1900000000000000001",
        handle="maria_m",
        name="Maria",
        receives_dm=True,
        first_seen_at=at,
    )
    case = Case.objects.create(
        pk=90210,
        brand=brand,
        author=author,
        agent=maya,
        status=Case.Status.CONTACTED,
        move=Case.Move.THEIRS,
        opened_at=at,
        changed_at=at,
        waiting_since=at,
        first_contact_at=at,
    )
    mention = Mention.objects.create(
        brand=brand,
        author=author,
        network="x",
        external_id="5005",
        text=POST_TEXT,
        posted_at=at,
        ingested_at=at,
        state=Mention.State.CASED,
        case=case,
    )
    outgoing = Outgoing.objects.create(
        case=case,
        account=account,
        recipient=author,
        answers=mention,
        kind=Outgoing.Kind.DM,
        text="Hi Maria, here we can talk safely: {link}",
        pressed_by=maya.user,
        delivery=Outgoing.Delivery.SENT,
        leaves_at=at,
        created_at=at,
        sent_at=at,
        external_id="7007",
    )
    invitation = invitations.create(outgoing, hours=72)
    return World(
        case=case,
        invitation=invitation,
        slug=shortener.slug(invitation.link),
        maya=maya,
        maria=Customer.objects.create(user=person("maria"), name="Maria Silva"),
        jorge=Customer.objects.create(user=person("jorge"), name="Jorge Prado"),
    )


def person(username: str) -> User:
    """A login with the demo's password."""
    return User.objects.create_user(username, f"{username}@example.test", PASSWORD)


def proven(world: World) -> Case:
    """The world after both proofs of maria."""
    handoff.open(world.slug)
    invitation = handoff.find(world.slug)
    handoff.begin_proof(invitation, world.maria, consents=True)
    return handoff.prove(invitation.pk, world.maria, external_id=world.recipient_id, handle="maria_m")


def agree(browser: Client, *, shown: HttpResponse | None = None) -> HttpResponse:
    """Press the first button of the page that says what will be linked, as it is now or as it was `shown`."""
    page = shown or browser.get("/handoff/")
    form = read(page.content.decode()).form("/handoff/", at="http://testserver/handoff/")
    if form is None:
        return page  # type: ignore[return-value]
    pressed = {button.name: button.value for button in form.buttons[:1] if button.name}
    return browser.post("/handoff/", form.fields | pressed)  # type: ignore[return-value]


def signed_in(user: User) -> Client:
    """A browser of this person."""
    client = Client()
    client.force_login(user)
    return client


def every_table() -> dict[str, str]:
    """A fingerprint of each table of the database, Django's own included."""
    prints = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f'SELECT t::text FROM "{table}" t ORDER BY 1')  # names come from the catalogue
            prints[table] = hashlib.sha256("\n".join(row[0] for row in cursor.fetchall()).encode()).hexdigest()
    return prints
