"""The seed against a real sandbox process: what it makes, that a second run changes nothing, where it refuses."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import httpx
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from accounts import agents
from accounts.models import Agent, Customer, ProvenHandle, User
from accounts.permissions import is_supervisor
from citisocial.clock import now
from conversations import credentials, gate, wording
from conversations.management import demo
from conversations.management.demo import DEMO_PASSWORD
from conversations.models import Brand, BrandAccount, Case, ListeningRule, Mention, ReplyTemplate
from conversations.networks.base import Rule
from tests.factories.heard import bank
from tests.factories.walked import opened

pytestmark = pytest.mark.xdist_group("seed")  # each worker that has one of these starts a sandbox
ROOT = Path(__file__).resolve().parent.parent.parent
BEARER, CLIENT = "seed-bearer", ("client", "secret")


@pytest.fixture(scope="module")
def sandbox(make_database: Callable[[str], str]) -> Iterator[str]:
    """The URL of a sandbox of our own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")} | {
        "SANDBOX_DATABASE_URL": make_database("x_seed"),
        "SANDBOX_URL": url,
        "SANDBOX_BEARER_TOKEN": BEARER,
        "SANDBOX_CLIENT_ID": CLIENT[0],
        "SANDBOX_CLIENT_SECRET": CLIENT[1],
        "SANDBOX_REDIRECT_URIS": "http://localhost/x/callback",
        "LOG_LEVEL": "WARNING",
    }
    subprocess.run([sys.executable, "-m", "sandbox", "migrate", "-v", "0"], cwd=ROOT, env=environment, check=True)
    serve = [sys.executable, "-m", "uvicorn", "sandbox.asgi:application", "--port", str(port)]
    serve += ["--no-date-header", "--log-level", "error"]
    process = subprocess.Popen(serve, cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            try:
                httpx.get(f"{url}/healthz", trust_env=False).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        else:
            pytest.fail("the sandbox did not start")
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def x(sandbox: str, settings) -> Iterator[str]:
    """Our side pointed at it."""
    settings.DEMO = True
    settings.X_API_URL = sandbox
    settings.X_BEARER_TOKEN = BEARER
    settings.X_CLIENT_ID, settings.X_CLIENT_SECRET = CLIENT
    credentials.network.cache_clear()
    yield sandbox
    credentials.network("x").close()
    credentials.network.cache_clear()


def seed() -> str:
    said = StringIO()
    call_command("seed", stdout=said)
    return said.getvalue()


def everything() -> dict[str, list[dict[str, object]]]:
    """Every row of ours, to the byte."""
    models = [m for label in ("accounts", "links", "conversations") for m in apps.get_app_config(label).get_models()]
    models.append(User.groups.through)
    models.append(Agent.teams.through)
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


@pytest.mark.django_db
def test_it_makes_the_people_the_handles_and_the_words_and_never_a_case(x, client):
    seed()

    assert sorted(User.objects.values_list("username", flat=True)) == sorted(
        ["grace", "ruth", "maya", "omar", "lena", "kenji", "maria", "jorge", "dee"]
    )
    assert all(client.login(username=name, password=DEMO_PASSWORD) for name in ("grace", "maya", "maria"))
    assert {user.username for user in User.objects.all() if is_supervisor(user)} == {"grace", "ruth"}
    assert agents.available(Agent.objects.all(), now()) == []  # nobody is there before they open the workspace
    Agent.objects.update(availability="online")
    assert {agent.name: agent.languages for agent in agents.available(Agent.objects.all(), now())} == {
        "Maya": ["en", "es"],
        "Omar": ["en", "ar"],
        "Lena": ["de", "en", "fr"],
        "Kenji": ["ja", "en"],
    }
    assert Customer.objects.count() == 3
    assert not ProvenHandle.objects.exists()  # proving is the walk's
    accounts = {account.handle: account for account in BrandAccount.objects.all()}
    assert {handle: account.purpose for handle, account in accounts.items()} == {
        "AskCiti": "care",
        "Citi": "news",
        "Citibank": "offers",
    }
    assert {(rule.tag, rule.names_handles) for rule in ListeningRule.objects.all()} == {
        ("handles", True),
        ("keywords", False),
    }
    assert set(ReplyTemplate.objects.values_list("use", "language")) == {
        (use, language) for use in ("invitation", "reply", "chat") for language in ("en", "es", "de")
    }
    assert not Case.objects.exists()
    assert not Mention.objects.exists()


@pytest.mark.django_db
def test_its_tokens_open_the_accounts_at_the_network(x):
    seed()
    for account in BrandAccount.objects.all():
        ready = credentials.ready(account)
        me = httpx.get(f"{x}/2/users/me", headers={"Authorization": f"Bearer {ready.access_token}"}, trust_env=False)
        assert me.json()["data"]["id"] == account.external_id
        assert me.json()["data"]["username"] == account.handle
    care = credentials.ready(BrandAccount.objects.get(handle="AskCiti"))
    assert credentials.network("x").direct_messages(care).posts == ()


@pytest.mark.django_db
def test_a_second_run_changes_nothing_also_of_what_was_changed_by_hand(x):
    seed()
    agents.set_availability(Agent.objects.get(name="Omar"), "offline")
    ReplyTemplate.objects.filter(name="Greeting").update(text="Good morning")
    Brand.objects.update(address="bank.example/social")
    before = everything()
    assert seed() == "Seeded before: nothing to do.\n"
    assert everything() == before


@pytest.mark.django_db
def test_tokens_that_the_network_no_longer_knows_are_made_again(x):
    seed()
    old = bytes(BrandAccount.objects.get(handle="AskCiti").sealed_tokens)
    httpx.post(f"{x}/_sandbox/reset", json={}, trust_env=False).raise_for_status()
    seed()
    account = BrandAccount.objects.get(handle="AskCiti")
    assert bytes(account.sealed_tokens) != old
    assert credentials.network("x").mentions(credentials.ready(account)).posts == ()


@pytest.mark.django_db
def test_its_rules_find_what_they_should_at_the_network(x):
    seed()
    rules = [Rule(value=rule.value, tag=rule.tag) for rule in ListeningRule.objects.all()]
    credentials.network("x").set_rules(rules)
    texts = {
        "@AskCiti my card was declined": ["handles"],
        "hola @citi no puedo entrar": ["handles"],
        "Citibank took 20 dollars from me": ["keywords"],
        "my citi card is gone": ["keywords"],
        "mi tarjeta Citi no funciona": ["keywords"],
        "@Citibank why is citibank down": ["handles", "keywords"],
        "great night at Citi Field": [],
        "took a Citi Bike to work": [],
        "a city card for the bus": [],
    }
    posts = [{"author": "dee_says", "text": text, "key": text} for text in texts]
    answer = httpx.post(f"{x}/_sandbox/posts", json={"posts": posts}, trust_env=False).raise_for_status().json()
    assert {post["key"]: sorted(post["matched"]) for post in answer["posts"]} == texts


@pytest.mark.django_db
def test_every_template_can_be_sent_once_it_is_filled():
    b = bank()
    maya = b.agent("Maya")
    case = opened(b)
    case.author.name = "Maximiliana Konstantinopolitanski"
    for use, language, name, text in demo.TEMPLATES:
        template = ReplyTemplate.objects.create(brand=b.brand, use=use, language=language, name=name, text=text)
        filled = wording.fill(template, case, maya)
        assert "{{" not in filled
        assert "Maya" in filled or name == "Done"
        gate.check(filled, kind={"invitation": "dm"}.get(use, use))


def test_ignored_handles_are_other_houses():
    names = [handle.lower() for handle in demo.BRAND["ignored_handles"]]
    assert len(names) == len(set(names)) > 40
    assert not {"askciti", "citi", "citibank"} & set(names)
    assert not [name for name in names if "citi" in name]


@pytest.mark.django_db
def test_outside_the_demo_it_refuses(settings):
    settings.DEMO = False
    with pytest.raises(CommandError, match="only in the demo: set DEMO=1"):
        seed()
    assert not User.objects.exists()


@pytest.mark.django_db
def test_without_a_sandbox_it_says_so_and_makes_nobody(settings):
    settings.X_API_URL = "http://127.0.0.1:9"
    with pytest.raises(CommandError, match=r"The sandbox does not answer at http://127\.0\.0\.1:9"):
        seed()
    assert not User.objects.exists()


@pytest.mark.django_db
def test_the_care_handle_owns_the_app_on_both_sides_and_allowed_everything(x):
    seed()
    ours = BrandAccount.objects.order_by("pk")
    assert {account.handle: account.owns_app for account in ours} == {"AskCiti": True, "Citi": False, "Citibank": False}
    assert {account.scopes for account in ours} == {" ".join(credentials.SCOPES)}
    assert all(account.connected_at for account in ours)
    named = {"people": [{"handle": account.handle} for account in ours]}
    theirs = httpx.post(f"{x}/_sandbox/people", json=named, trust_env=False).json()["people"]
    assert {person["handle"]: person["owns_app"] for person in theirs} == {
        "AskCiti": True,
        "Citi": False,
        "Citibank": False,
    }
