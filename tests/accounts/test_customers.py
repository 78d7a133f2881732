"""Whose handle it is: proven once, held by one, revocable, provable again."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, connection

from accounts import customers
from accounts.errors import HandleTaken
from accounts.models import Agent, Customer, ProvenHandle, User


def test_a_login_is_the_customer_or_the_agent_behind_it_and_nothing_when_closed(
    maria: Customer, maya: Agent, eve: User
) -> None:
    everybody = (maria.user, maya.user, eve, AnonymousUser())
    assert [customers.customer_of(user) for user in everybody] == [maria, None, None, None]
    assert [customers.agent_of(user) for user in everybody] == [None, maya, None, None]
    maria.user.is_active = maya.user.is_active = False
    assert [customers.customer_of(maria.user), customers.agent_of(maya.user)] == [None, None]


def test_a_handle_is_marias_after_her_proof_and_nobody_elses(maria: Customer, jorge: Customer) -> None:
    customers.remember_handle(maria, "x", "42", "maria_m")
    held = [
        customers.proven(maria, "x", "42"),
        customers.proven(maria, "x", "43"),
        customers.proven(maria, "bluesky", "42"),
        customers.proven(jorge, "x", "42"),
    ]
    assert held == [True, False, False, False]


def test_jorge_cannot_take_what_maria_has_proven(maria: Customer, jorge: Customer) -> None:
    customers.remember_handle(maria, "x", "42", "maria_m")
    with pytest.raises(HandleTaken, match="Another customer"):
        customers.remember_handle(jorge, "x", "42", "maria_m")
    assert ProvenHandle.objects.get().customer == maria


def test_a_second_proof_renews_the_first_also_under_a_new_name(maria: Customer) -> None:
    first = customers.remember_handle(maria, "x", "42", "maria_m")
    again = customers.remember_handle(maria, "x", "42", "maria_says")
    row = ProvenHandle.objects.get()
    assert (again.pk, row.handle, row.proven_at > first.proven_at) == (first.pk, "maria_says", True)


def test_a_revoked_handle_counts_no_more_and_may_be_proven_by_its_next_owner(maria: Customer, jorge: Customer) -> None:
    proof = customers.remember_handle(maria, "x", "42", "maria_m")
    assert [customers.revoke_handle(proof, by=maria.user) for _ in range(2)] == [True, False]
    assert not customers.proven(maria, "x", "42")
    customers.remember_handle(jorge, "x", "42", "maria_m")
    assert customers.proven(jorge, "x", "42")
    assert ProvenHandle.objects.count() == 2


def test_the_database_itself_keeps_one_live_holder(maria: Customer, jorge: Customer) -> None:
    proof = customers.remember_handle(maria, "x", "42", "maria_m")
    with pytest.raises(IntegrityError):
        ProvenHandle.objects.create(
            customer=jorge, network="x", external_id="42", handle="maria_m", proven_at=proof.proven_at
        )


@pytest.mark.django_db(transaction=True)
def test_of_two_customers_at_once_one_gets_the_handle(maria: Customer, jorge: Customer) -> None:
    start = Barrier(8)

    def claim(customer: Customer) -> str:
        try:
            start.wait()
            customers.remember_handle(customer, "x", "42", "maria_m")
            return "held"
        except HandleTaken:
            return "taken"
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        ends = list(threads.map(claim, [maria, jorge] * 4))
    assert sorted(ends) == ["held"] * 4 + ["taken"] * 4
    assert ProvenHandle.objects.count() == 1
