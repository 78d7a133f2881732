"""Tokens that stay one pair, whatever happens while they are refreshed."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from citisocial.clock import now
from conversations import credentials
from conversations.models import AuditEvent, BrandAccount
from conversations.networks.base import Tokens
from conversations.networks.errors import Refused, Unavailable, Undetermined
from tests.accounts.fake_x import Answer
from tests.conversations.granting_x import GrantingX
from tests.factories.heard import bank

pytestmark = pytest.mark.django_db


def held(care, x: GrantingX, *, seconds=7200.0):
    """The account with a pair that X knows and that ends in so many seconds."""
    grant = x.grant(x.person)
    credentials.store(care, Tokens(str(grant["access_token"]), str(grant["refresh_token"]), 7200, credentials.SCOPES))
    BrandAccount.objects.filter(pk=care.pk).update(tokens_expire_at=now() + timedelta(seconds=seconds))
    return BrandAccount.objects.get(pk=care.pk)


def refreshes(x):
    return [r.form["refresh_token"] for r in x.seen if r.form.get("grant_type") == "refresh_token"]


def test_a_pair_is_refreshed_before_it_ends_and_by_one_process(care, x: GrantingX):
    first = held(care, x, seconds=200)
    second = BrandAccount.objects.get(pk=care.pk)
    assert credentials.ready(first).access_token == "access-1"
    assert credentials.ready(second).access_token == "access-1"
    assert refreshes(x) == ["refresh-0"]


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_refreshes(x: GrantingX):
    care = bank().care
    held(care, x, seconds=200)
    go, found, plain = threading.Barrier(4), [], x.token

    def slow(request):
        go_on.wait(1)
        return plain(request)

    go_on = threading.Event()
    x.token = slow

    def ready():
        account = BrandAccount.objects.get(pk=care.pk)
        go.wait()
        try:
            found.append(credentials.ready(account).access_token)
        finally:
            connection.close()

    threads = [threading.Thread(target=ready) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(found) < 3 and any(thread.is_alive() for thread in threads):
        threads[0].join(0.01)
    go_on.set()
    for thread in threads:
        thread.join()
    assert refreshes(x) == ["refresh-0"]
    assert sorted(found) == ["access-0", "access-0", "access-0", "access-1"]


def test_while_another_refreshes_an_ended_pair_one_waits(care, x: GrantingX):
    account = held(care, x, seconds=1)
    BrandAccount.objects.update(refresh_claimed_at=now())
    with pytest.raises(Unavailable, match="being renewed"):
        credentials.ready(account)
    assert refreshes(x) == []
    BrandAccount.objects.update(refresh_claimed_at=now() - timedelta(seconds=61))
    assert credentials.ready(BrandAccount.objects.get(pk=care.pk)).access_token == "access-1"


def test_a_refused_refresh_is_final_noted_once_and_not_asked_again(care, x: GrantingX):
    account = held(care, x, seconds=200)
    stale = BrandAccount.objects.get(pk=care.pk)
    x.refreshes.clear()
    with pytest.raises(Refused):
        credentials.ready(account)
    for again in (stale, account, BrandAccount.objects.get(pk=care.pk)):
        with pytest.raises(Refused, match="connect it again"):
            credentials.ready(again)
    assert len(refreshes(x)) == 1
    assert not credentials.refused(BrandAccount.objects.get(pk=care.pk))
    assert AuditEvent.objects.filter(verb="account_refused").count() == 1


def test_a_lost_answer_uses_the_old_token_while_it_lasts_and_then_says_so(care, x: GrantingX):
    account, plain = held(care, x, seconds=200), x.token

    def lost(request):
        plain(request)  # X has used the refresh token up
        return Answer(503)

    x.token = lost
    assert credentials.ready(account).access_token == "access-0"
    assert credentials.ready(account).access_token == "access-0"  # the claim holds: nobody asks twice
    x.token = plain
    BrandAccount.objects.update(refresh_claimed_at=now() - timedelta(seconds=61))
    with pytest.raises(Refused):
        credentials.ready(BrandAccount.objects.get(pk=care.pk))
    assert refreshes(x) == ["refresh-0", "refresh-0"]
    assert BrandAccount.objects.get(pk=care.pk).refused_at is not None


def test_a_lost_answer_to_an_ended_pair_is_told(care, x: GrantingX):
    account = held(care, x, seconds=-60)
    x.token = lambda request: Answer(503)
    with pytest.raises(Undetermined):
        credentials.ready(account)
    assert BrandAccount.objects.get(pk=care.pk).refused_at is None


def test_a_slow_refresh_does_not_overwrite_a_new_connection(care, x: GrantingX):
    account, plain = held(care, x, seconds=200), x.token

    def slow(request):
        answer = plain(request)
        new = Tokens("access-new", "refresh-new", 7200, credentials.SCOPES)
        meanwhile.append(new)
        return answer

    meanwhile: list[Tokens] = []
    x.token = slow
    network = credentials.network("x")
    refresh = network.refresh

    def and_then_connected(token):
        tokens = refresh(token)
        credentials.store(BrandAccount.objects.get(pk=care.pk), meanwhile[0])
        return tokens

    network.refresh = and_then_connected  # a supervisor connects between X's answer and our storing it
    assert credentials.ready(account).access_token == "access-new"


def test_a_late_refusal_of_replaced_tokens_is_nobodys_business(care, x: GrantingX):
    account = held(care, x)
    held(care, x)
    assert not credentials.refused(account)
    assert BrandAccount.objects.get(pk=care.pk).refused_at is None


def test_what_was_sealed_with_another_key_asks_to_connect_again(care, x: GrantingX, settings):
    account = held(care, x)
    settings.SEALING_KEY = "another key of the same length, at least"
    with pytest.raises(Refused, match="sealed with another key"):
        credentials.ready(account)
