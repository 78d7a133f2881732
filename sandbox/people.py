"""Takes handles, leaves people: the accounts of this X, made when first seen."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.models import DirectMessage, Person
from sandbox.snowflakes import person_id

HANDLE = re.compile(r"[A-Za-z0-9_]{1,20}")


class BadHandle(ValueError):
    """Not a handle: 1 to 20 letters, digits or underscores."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What the control door may say about a person; None leaves what is known."""

    handle: str
    name: str | None = None
    accepts_dm: bool | None = None
    verified: bool | None = None
    owns_app: bool | None = None
    followers: int | None = None


def clean_handle(text: str) -> str:
    """A handle without its @ and spaces; raises BadHandle."""
    handle = text.strip().removeprefix("@")
    if not HANDLE.fullmatch(handle):
        raise BadHandle(f"'{text}' is not a handle: use 1 to 20 letters, digits or underscores.")
    return handle


def find(handle: str) -> Person | None:
    """The person with this handle, in any case."""
    return Person.objects.filter(handle_lower=handle.lower()).first()


def ensure(handles: Iterable[str], *, accepts_dm: bool = False) -> dict[str, Person]:
    """The people with these handles, by lower-cased handle; unknown ones are made (two queries, or one)."""
    wanted = {handle.lower(): handle for handle in handles}
    known = {person.handle_lower: person for person in Person.objects.filter(handle_lower__in=wanted)}
    missing = [_new(handle, accepts_dm=accepts_dm) for lower, handle in wanted.items() if lower not in known]
    if missing:
        Person.objects.bulk_create(missing, ignore_conflicts=True)
        known |= {person.handle_lower: person for person in missing}
    return known


def save_profiles(profiles: Iterable[Profile]) -> list[Person]:
    """Make or change people; a handle given twice keeps what was said last."""
    profiles = list(profiles)
    people = ensure(clean_handle(profile.handle) for profile in profiles)
    for profile in profiles:
        person = people[clean_handle(profile.handle).lower()]
        person.handle = clean_handle(profile.handle)
        person.name = person.name if profile.name is None else profile.name[:50]
        person.accepts_dm = person.accepts_dm if profile.accepts_dm is None else profile.accepts_dm
        person.verified = person.verified if profile.verified is None else profile.verified
        person.owns_app = person.owns_app if profile.owns_app is None else profile.owns_app
        person.followers = person.followers if profile.followers is None else profile.followers
    changed = ["handle", "name", "accepts_dm", "verified", "owns_app", "followers"]
    Person.objects.bulk_update(people.values(), changed)
    return list(people.values())


def conversation(one: int, other: int) -> str:
    """The id of the conversation of two people: the smaller id first."""
    return f"{min(one, other)}-{max(one, other)}"


def may_message(sender: Person, recipient: Person) -> bool:
    """X's `receives_your_dm`: the recipient takes messages from anybody, or wrote to the sender before."""
    if sender.pk == recipient.pk:
        return False
    return recipient.accepts_dm or writers_to(sender, [recipient.pk]) != frozenset()


def writers_to(person: Person, others: Iterable[int]) -> frozenset[int]:
    """Which of these people have written a direct message to the person."""
    return frozenset(
        DirectMessage.objects.filter(sender_id__in=list(others), recipient=person)
        .order_by()
        .values_list("sender_id", flat=True)
        .distinct()
    )


def _new(handle: str, *, accepts_dm: bool) -> Person:
    return Person(id=person_id(handle), handle=handle, handle_lower=handle.lower(), name=handle, accepts_dm=accepts_dm)
