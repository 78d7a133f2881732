"""What is deleted on the network loses its words here within a day, whatever dies on the way."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from threading import Event

import pytest
from django.db import connection

from citisocial.clock import now
from conversations import compliance, credentials, inbox, mentions, triage
from conversations.intake import ingest
from conversations.models import AuditEvent, Case, ComplianceJob, Mention
from conversations.networks.errors import RateLimited, Refused, Unavailable
from tests.conversations.paper_x import PaperX, message, once, said
from tests.factories.heard import Bank, bank, person, post
from tests.factories.invited import signed_in

pytestmark = pytest.mark.django_db
State = ComplianceJob.State


@pytest.fixture
def x(monkeypatch: pytest.MonkeyPatch) -> PaperX:
    paper = PaperX(gone=[])
    monkeypatch.setattr(credentials, "network", lambda slug: paper)
    return paper


@pytest.fixture
def b(x: PaperX) -> Bank:
    return bank()


@pytest.fixture
def keep(b: Bank) -> Callable[[int], list[str]]:
    """keep(3): so many public posts are kept; returns their ids."""

    def make(number: int) -> list[str]:
        posts = [said(now(), f"@AskCiti {n}") for n in range(number)]
        ingest(b.care, posts, way="stream")
        return [p.external_id for p in posts]

    return make


def states() -> list[str]:
    return list(ComplianceJob.objects.order_by("pk").values_list("state", flat=True))


def looks(number: int) -> int:
    return sum(compliance.look() for _ in range(number))


def later(**age: float) -> None:
    """As if what was begun and kept had been so this much earlier."""
    for job in ComplianceJob.objects.all():
        job.created_at -= timedelta(**age)
        job.finished_at = job.finished_at and job.finished_at - timedelta(**age)
        job.save(update_fields=["created_at", "finished_at"])


def test_posts_are_named_in_a_job_and_those_that_are_gone_lose_their_words(x, b, keep):
    ids = keep(3)
    ingest(b.care, [message(now())], way="dm")
    x.gone = ids[:1]
    assert [compliance.look() for _ in range(4)] == [0, 0, 1, 0]
    assert (states(), x.named) == ([State.APPLIED], ids)
    gone = Mention.objects.get(state="DELETED")
    assert (gone.external_id, gone.text, gone.deleted_at is not None) == (ids[0], "", True)
    job = ComplianceJob.objects.get()
    assert (job.deleted, job.upload_url) == (1, "")


def test_each_step_is_one_look_and_waits_for_the_answer(x, b, keep):
    keep(1)
    x.gone = None
    seen = []
    for _ in range(4):
        compliance.look()
        seen += states()
    assert seen == [State.CREATED, State.UPLOADED, State.UPLOADED, State.UPLOADED]


def test_all_of_them_again_after_twenty_hours_and_not_before(x, b, keep):
    ids = keep(2)
    looks(3)
    more = keep(1)
    later(hours=19, minutes=50)
    looks(3)
    assert len(states()) == 1
    later(minutes=11)
    looks(3)
    assert (states(), x.named) == ([State.APPLIED] * 2, ids + more)


def test_a_round_goes_on_job_by_job_until_what_was_there_when_it_began_is_named(x, b, keep, monkeypatch):
    monkeypatch.setattr(compliance, "MOST", 2)
    ids, named = keep(5), []
    for _ in range(12):
        compliance.look()
        named += [i for i in x.named if i not in named]
    assert (states(), named) == ([State.APPLIED] * 3, ids)


def test_deleted_posts_are_not_named_and_not_counted_again(x, b, keep):
    ids = keep(2)
    mentions.delete("x", ids[:1])
    looks(3)
    assert x.named == ids[1:]
    assert mentions.delete("x", ids[:1]) == 0


def test_nothing_kept_is_nothing_asked(x, b):
    looks(3)
    assert (states(), x.calls) == ([], [])


# What dies on the way.


@pytest.mark.parametrize("step", ["begin", "name", "deleted"])
def test_a_network_that_does_not_answer_is_asked_the_same_again(x, b, keep, step):
    ids = keep(1)
    x.gone, broken = ids, [True]

    def trouble(call):
        if call == step and broken:
            broken.clear()
            raise Unavailable("cut off")

    x.trouble = trouble
    looks(4)
    assert (states(), Mention.objects.get().state) == ([State.APPLIED], "DELETED")


def test_a_worker_that_dies_after_the_call_leaves_a_job_that_goes_on(x, b, keep, monkeypatch):
    ids = keep(1)
    x.gone = ids
    real, dead = compliance._move, []

    def dies(job, to, **columns):
        if to not in dead:
            dead.append(to)
            raise SystemExit
        real(job, to, **columns)

    monkeypatch.setattr(compliance, "_move", dies)
    for _ in range(6):
        try:
            compliance.look()
        except SystemExit:
            continue
    assert (dead, states()) == ([State.UPLOADED, State.APPLIED], [State.APPLIED])
    assert (x.count("begin"), x.count("name"), x.count("deleted")) == (1, 2, 2)
    assert AuditEvent.objects.filter(verb="deleted").count() == 0  # nobody made a case of it


def test_a_refused_job_is_begun_again_after_a_while(x, b, keep):
    ids = keep(1)
    looks(2)
    x.trouble = once(Refused("gone", "X gave it up."), at=1)
    looks(3)
    assert (states(), x.count("begin")) == ([State.FAILED], 1)
    later(minutes=11)
    looks(3)
    assert (states(), x.named) == ([State.FAILED, State.APPLIED], ids)


def test_a_later_job_that_fails_does_not_begin_the_round_anew(x, b, keep, monkeypatch):
    monkeypatch.setattr(compliance, "MOST", 2)
    ids = keep(3)
    looks(4)
    x.trouble = once(Refused("invalid"), at=1)
    looks(1)
    later(minutes=11)
    looks(3)
    assert (states(), x.named) == ([State.APPLIED, State.FAILED, State.APPLIED], ids[2:])


def test_an_address_that_ran_out_and_an_answer_that_never_comes_end_the_job(x, b, keep):
    keep(1)
    looks(1)
    later(minutes=16)
    x.trouble = once(Unavailable("410"), at=1)
    looks(1)
    assert states() == [State.FAILED]
    later(minutes=11)
    x.gone = None
    looks(3)
    later(hours=7)
    looks(1)
    assert states() == [State.FAILED, State.FAILED]


def test_a_network_that_is_still_busy_is_asked_later(x, b, keep):
    keep(1)
    x.trouble = once(RateLimited("still at work", retry_after=900), at=1)
    looks(2)
    assert states() == [State.CREATED]


@pytest.mark.django_db(transaction=True)
def test_the_network_is_never_called_in_a_transaction(x, b, keep):
    x.lenient = False
    x.gone = keep(2)
    assert looks(3) == 2


@pytest.mark.django_db(transaction=True)
def test_what_is_deleted_while_it_is_judged_stays_deleted(x, b, keep, monkeypatch):
    """Triage has read the post and decides; the deletion comes before it stores what it decided."""
    [external_id] = keep(1)
    judged, real = Event(), triage.judge

    def slow(facts):
        judged.set()
        wait([deleting], 0.3)  # it gets as far as it can
        return real(facts)

    def delete() -> None:
        try:
            judged.wait(5)
            mentions.delete("x", [external_id])
        finally:
            connection.close()

    monkeypatch.setattr(triage, "judge", slow)
    with ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(delete)
        triage.drain()
        deleting.result(10)
    stored = Mention.objects.get()
    assert (stored.state, stored.text, stored.case is not None) == ("DELETED", "", True)


# What people see of it.


def test_no_word_of_a_deleted_post_is_left_anywhere_and_its_case_says_so(b):
    word = "xylophone"
    [mention] = b.hear(post(f"@AskCiti my {word} was charged twice", names=(b.care,)))
    agent = b.agent("Maya")
    assert word in inbox.lines(agent)[0].preview
    before = now()
    mentions.delete("x", [mention.external_id])
    [line] = inbox.lines(agent, after=before)  # an inbox that missed the poke is told as well
    assert line.preview == "This post was deleted on X."
    page = signed_in(agent.user).get(f"/workspace/cases/{mention.case.public_id}/").content.decode()
    assert ("This post was deleted on X." in page, word in page) == (True, False)
    with connection.cursor() as sql:
        sql.execute("SELECT string_agg(m::text, ' ') FROM conversations_mention m")
        kept = sql.fetchone()[0]
        sql.execute("SELECT string_agg(a::text, ' ') FROM conversations_auditevent a")
        kept += sql.fetchone()[0]
    assert word not in kept
    assert AuditEvent.objects.get(verb="deleted").data == {"post": mention.external_id}


def test_a_stranger_to_thanks_is_heard_though_the_first_post_of_the_case_is_gone(b):
    maria = person("maria_m")
    [mention] = b.hear(post("@AskCiti my card was declined", maria, names=(b.care,)))
    mentions.delete("x", [mention.external_id])
    [again] = b.hear(post("@AskCiti thanks", maria, names=(b.care,), minutes=5))
    assert again.case == mention.case


def test_encrypted_message_shows_where_it_can_be_read(b):
    link = "https://x.com/messages/compose?recipient_id=7"
    [sealed] = b.hear(post("", person("maria_m"), kind="opaque", permalink=link, matched=()), way="activity")
    agent = b.agent("Maya")
    sentence = "Answered in an encrypted chat. Open it on X to read it."
    [line] = inbox.lines(agent)
    assert (line.channel, line.preview) == ("dm", sentence)
    page = signed_in(agent.user).get(f"/workspace/cases/{sealed.case.public_id}/").content.decode()
    assert (sentence in page, f'href="{link}"' in page) == (True, True)
    assert "Direct message on X" in page
    assert Case.objects.count() == 1
