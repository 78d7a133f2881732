"""The orders for faults: every fault as often as it was asked for, where it makes sense, within what X allows."""

from collections import Counter

import pytest

from rehearsal.faultlist import SHARES, lanes

NAMED_BY_THE_SUITE = {
    *("429", "503", "409", "reset", "stall", "disconnect", "duplicate", "out_of_order", "lost", "slow", "bad_json"),
}


@pytest.mark.parametrize("runs", [1, 2, 7, 20, 50])
def test_every_fault_comes_at_least_as_often_as_asked(runs: int):
    counts = Counter(order.fault for orders in lanes(runs).values() for order in orders)

    assert set(counts) == NAMED_BY_THE_SUITE
    assert min(counts.values()) >= runs


def test_one_run_meets_every_fault_on_every_endpoint_that_is_asked_often():
    met = {(order.fault, order.endpoint) for orders in lanes(1).values() for order in orders}

    often = {(fault, name) for fault, shares in SHARES.items() for name in shares if name not in {"token", "dm_events"}}
    assert often <= met
    assert {("503", "token"), ("503", "dm_events")} <= met


def test_twenty_runs_stay_within_what_x_allows_and_half_an_hour():
    found = lanes(20)

    # 50 connections and 15 reads of messages in 15 minutes; a fault on messages takes two reads.
    assert sum(order.connects for order in found["stream"]) <= 2 * 44
    assert 2 * len(found["dm_events"]) <= 12
    assert max(sum(order.cost for order in orders) for orders in found.values()) < 1500


def test_the_orders_are_mixed_and_always_the_same():
    assert lanes(20) == lanes(20)
    assert len({order.fault for order in lanes(20)["stream"][:12]}) > 4


def test_a_token_is_never_lost_after_it_was_changed():
    # Nobody could mend that but the person who connected the account.
    assert {order.fault for order in lanes(50)["token"]} <= {"429", "503", "stall"}
