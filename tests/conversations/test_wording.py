"""Templates: who is offered which, what is counted, and that none is saved that could not be sent."""

import uuid

import pytest
from django.urls import reverse

from conversations import assignment, chat, outreach, wording
from conversations.errors import BadText
from conversations.models import ReplyTemplate
from tests.factories.heard import bank, person, post
from tests.factories.walked import customer, supervisor

pytestmark = pytest.mark.django_db


@pytest.fixture
def house():
    b = bank()
    maya = b.agent("Maya")
    case = b.hear(post("@AskCiti my card was declined", person("maria_m"), names=(b.care,)))[0].case
    assignment.take(case, maya)
    return b, maya, case


def template(brand, name="Way in", **values):
    values = {"use": "invitation", "language": "en", "text": "Hi {{first_name}}:"} | values
    return ReplyTemplate.objects.create(brand=brand, name=name, **values)


def uses(row):
    row.refresh_from_db()
    return row.uses


def test_the_cases_language_comes_first_then_english_and_the_most_used_first(house):
    b, _maya, _case = house
    for name, language, count in [("A", "en", 1), ("B", "en", 9), ("C", "de", 0), ("D", "es", 3), ("E", "de", 2)]:
        template(b.brand, name, language=language, uses=count)
    template(b.brand, "Off", active=False)
    template(b.brand, "Chat", use="chat", language="en")
    assert [t.name for t in wording.offered(b.brand, language="de")] == ["E", "C", "B", "A", "Chat"]
    assert [t.name for t in wording.offered(b.brand, language="en")] == ["B", "A", "Chat"]


def test_a_use_is_counted_when_it_is_sent_and_not_when_it_is_refused(house):
    b, maya, case = house
    row = template(b.brand)
    with pytest.raises(BadText):
        outreach.invite(case, maya, text="Hi {{first_name}}:", template=row)
    assert uses(row) == 0
    outgoing = outreach.invite(case, maya, text="Hi Maria:", template=row)
    assert (uses(row), outgoing.template) == (1, row)
    assert row.used_at is not None
    outreach.reply(case, maya, text="Sorry to hear that.", template=row)
    assert uses(row) == 2


def test_in_the_chat_it_is_counted_once_and_only_for_the_agent(house):
    b, maya, case = house
    who = customer("maria")
    case.customer, case.status = who, "CONNECTED"
    case.save()
    row, other = template(b.brand, use="chat"), uuid.uuid4()
    for _ in range(2):
        chat.post(case, author=maya, client_id=other, text="Hello Maria", template=row.pk)
    chat.post(case, author=who, client_id=uuid.uuid4(), text="Hello", template=row.pk)
    chat.post(case, author=maya, client_id=uuid.uuid4(), text="Hello", template=10**9)
    assert uses(row) == 1


def test_in_the_chat_an_agent_types_no_links_and_a_customer_may(house):
    _b, maya, case = house
    who = customer("maria")
    case.customer, case.status = who, "CONNECTED"
    case.save()
    with pytest.raises(BadText, match="Only our own links"):
        chat.post(case, author=maya, client_id=uuid.uuid4(), text="See evil.com")
    said = chat.post(case, author=who, client_id=uuid.uuid4(), text="I was at evil.com, card 4111 1111 1111 1111")
    assert said.text == "I was at evil.com, card [card number removed]"


@pytest.mark.parametrize(
    ("use", "text", "why"),
    [
        ("invitation", "Hi {{surname}}: {link}", "Nothing is known as {{surname}}"),
        ("invitation", "Hi {{first_name}}, see evil.com {link}", "Only our own links"),
        ("invitation", "{link} and {link}, {{first_name}}", "One message carries one link"),
        ("reply", "Hi {{first_name}}, go here: {link}", "only into a direct message"),
        ("reply", "Hi {{first_name}}, " + "x" * 265, "shorten"),
        ("chat", "Hi {{first_name}, hello", "is missing"),
        ("chat", "Type {address}", "only into a direct message"),
    ],
)
def test_no_template_that_could_not_be_sent(client, use, text, why):
    b = bank()
    client.force_login(supervisor())
    url = reverse("admin:conversations_replytemplate_add")
    typed = {"brand": b.brand.pk, "use": use, "language": "en", "name": "T", "text": text, "active": "on"}
    answer = client.post(url, typed)
    assert why in str(answer.context["errors"])
    assert not ReplyTemplate.objects.exists()
    assert client.post(url, typed | {"text": "Hi {{first_name}}, it is {{agent}}."}).status_code == 302
    assert client.post(url, typed | {"text": "Hi again"}).status_code == 200  # the same name in the same language
    assert ReplyTemplate.objects.count() == 1


def test_a_supervisor_sees_it_filled_and_copies_it_into_another_language(client):
    b = bank()
    grace = supervisor()
    client.force_login(grace)
    row = template(b.brand, text="Hi {{first_name}}, {{agent}} here: {link}", uses=7)
    page = client.get(reverse("admin:conversations_replytemplate_change", args=[row.pk])).content.decode()
    assert "Hi Maximiliana, Konstantina here: {link}" in page
    add = reverse("admin:conversations_replytemplate_add") + f"?copy={row.pk}"
    assert add in page
    initial = client.get(add).context["adminform"].form.initial
    assert initial | {"brand": b.brand.pk} == {
        "brand": b.brand.pk,
        "use": "invitation",
        "name": "Way in",
        "text": row.text,
        "language": "",
        "owner": grace.pk,
    }
    assert ReplyTemplate.objects.count() == 1
