"""Takes what X answered or delivered, leaves what X charges for it: by resource and id, in millionths of a dollar.

The figures are X's list prices of August 2026. Who counts them (once per UTC day) is no matter of this module.
"""

from collections.abc import Iterable, Sequence

import msgspec

from conversations.networks.base import Charge
from conversations.networks.x import wire

MICROS = {
    "post": 5_000,
    "owned_post": 1_000,  # a mention of the very account that asks, when the developer app is that account's
    "user": 10_000,
    "dm_event": 10_000,
    "dm_create": 15_000,
    "post_create": 15_000,
    "post_create_url": 200_000,  # whatever has a link in it, answers too
    "reply_summoned": 10_000,  # an answer without a link to somebody who named us
}


def one(resource: str, external_id: str, call: str) -> Charge:
    return Charge(resource, external_id, MICROS[resource], call)


def of_listing(listing: wire.Listing, resource: str, call: str) -> list[Charge]:
    """Everything in an answer's `data` as the resource, and everything in its `includes`."""
    return [*_each(listing.data, resource, call), *of_includes(listing.includes, call)]


def of_includes(includes: wire.Includes | None, call: str) -> list[Charge]:
    """What came along because an expansion asked for it is charged like what was asked for."""
    if includes is None:
        return []
    posts = _each([*(includes.tweets or ()), *(includes.posts or ())], "post", call)
    return [*posts, *_each(includes.users, "user", call)]


def of_written(post_id: str, *, link: bool, answers: bool) -> Charge:
    """A post of ours. `answers`: it answers somebody who asked for it by naming us."""
    if link:
        return one("post_create_url", post_id, "send")
    return one("reply_summoned" if answers else "post_create", post_id, "send")


def _each(items: Sequence[msgspec.Raw] | None, resource: str, call: str) -> Iterable[Charge]:
    return [one(resource, item.id, call) for item in wire.items(items, wire.Identified)]
