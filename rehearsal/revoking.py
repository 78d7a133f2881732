"""Takes open sockets of people, leaves how soon each was closed once its reason to be there ended: seven reasons.

Each by the door that a person uses for it: the person's own pages, a supervisor's admin, a superuser's where
supervisors have none; a session is deleted by whoever runs the house, in the database.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg

from citisocial.servers import House

from .people import Answer, Person, Stumble, form_on
from .premises import complain
from .scene import PASSWORD, open_chat, sign_in
from .sockets import Socket

WITHIN = 5.0  # seconds
PATIENCE = 20.0
SUPERVISED = "/admin/accounts/user/"


@dataclass
class Staged:
    """One case whose people's sessions are there. `other`: the customer, in a second browser, where one is needed."""

    house: House
    cast: dict[str, Any]
    case: dict[str, Any]
    other: Person | None = None

    def person(self, key: str) -> Person:
        """A browser with the session of one of them, or of the superuser."""
        person = Person(key)
        session = self.cast["root"] if key == "root" else self.case[key]
        person.client.cookies.set(self.cast["session"], session, domain="localhost.local", path="/")
        person.open(f"{self.house.site_url}/accounts/logout/")  # for the CSRF cookie, which every browser has
        return person

    @contextmanager
    def browser(self, key: str) -> Iterator[Person]:
        person = self.person(key)
        try:
            yield person
        finally:
            person.close()


def logout(staged: Staged) -> None:
    """The customer signs out in the same browser, in another tab."""
    with staged.browser("customer") as person:
        page = person.open(f"{staged.house.site_url}/accounts/logout/")
        _done(person, person.send(page, form_on(page, "/accounts/logout/")))


def password(staged: Staged) -> None:
    """The customer changes the password in another browser."""
    person = staged.other
    assert person is not None
    page = person.open(f"{staged.house.site_url}/accounts/password/change/")
    fields = {"oldpassword": PASSWORD, "password1": "another-walk-to-talk", "password2": "another-walk-to-talk"}
    _done(person, person.send(page, form_on(page, "/password/change/"), fields))


def second_factor(staged: Staged) -> None:
    """The agent has lost the second factor, and a supervisor takes it away."""
    _supervised(staged, "take_factors_away")


def role(staged: Staged) -> None:
    """A superuser makes the agent a member of the supervisors' group."""
    with staged.browser("root") as person:
        url = f"{staged.house.site_url}{SUPERVISED}{staged.case['agent_user']}/change/"
        page = person.open(url)
        form = next(form for form in page.page.forms if "username" in form.fields)
        [group] = form.choices["groups"][:1]
        form.fields.pop("user_permissions", None)  # a list of which nothing is chosen is not sent
        _done(person, person.send(page, form, {"groups": group}, press="_save"))


def deactivation(staged: Staged) -> None:
    """A supervisor closes the agent's login."""
    _supervised(staged, "close_logins")


def reassignment(staged: Staged) -> None:
    """A supervisor takes the agent out of the team whose case it is."""
    with staged.browser("supervisor") as person:
        page = person.open(f"{staged.house.site_url}/admin/accounts/agent/{staged.case['agent_number']}/change/")
        form = next(form for form in page.page.forms if "capacity" in form.fields)
        form.fields.pop("teams", None)
        _done(person, person.send(page, form, press="_save"))


def session_deletion(staged: Staged) -> None:
    """Somebody deletes the customer's session."""
    with psycopg.connect(staged.house.database_url, autocommit=True) as books:
        gone = books.execute("DELETE FROM django_session WHERE session_key = %s", [staged.case["customer"]])
        if gone.rowcount != 1:
            raise Stumble("the customer's session was not there to be deleted")


# Whose socket each of them closes.
TRIGGERS: dict[Callable[[Staged], None], str] = {
    logout: "customer", password: "customer", second_factor: "agent", role: "agent", deactivation: "agent",
    reassignment: "agent", session_deletion: "customer",
}  # fmt: skip


def _done(person: Person, answer: Answer) -> None:
    """A refused form comes back as a page; a done one leads on."""
    if not answer.location:
        raise Stumble(f"{person.name} was not heard at {answer.url}: {answer.status} {answer.page.text[:300]!r}")


def _supervised(staged: Staged, action: str) -> None:
    with staged.browser("supervisor") as person:
        page = person.open(f"{staged.house.site_url}{SUPERVISED}?q=")
        token = next(form.fields["csrfmiddlewaretoken"] for form in page.page.forms if form.method == "post")
        fields = {"csrfmiddlewaretoken": token, "action": action, "index": "0", "select_across": "0"}
        fields["_selected_action"] = str(staged.case["agent_user"])
        _done(person, person.submit(page.url, fields, page=page.url))


def _elsewhere(staged: Staged) -> Person:
    """The customer once more, signed in in another browser."""
    person = Person("the customer elsewhere")
    sign_in(person, staged.house, staged.case["customer_login"], at="/my/")
    return person


# --- how soon ----------------------------------------------------------------------------------------------------


def revoked(house: House, cast: dict[str, Any], cases: list[dict[str, Any]], *, dead: bool) -> dict[str, float | None]:
    """Seconds from the act to the closed socket, of each trigger; None: it stayed open.

    `dead`: Valkey is, from when all sockets are open and everybody is signed in.
    """
    found: dict[str, float | None] = {}
    stages = [Staged(house, cast, case) for case in cases]
    sockets = [
        open_chat(s.person(side), house, s.case["id"]) for s, side in zip(stages, TRIGGERS.values(), strict=True)
    ]
    try:
        for staged in [staged for trigger, staged in zip(TRIGGERS, stages, strict=True) if trigger is password]:
            staged.other = _elsewhere(staged)
        with _without_valkey(house) if dead else nullcontext():
            for trigger, staged, socket in zip(TRIGGERS, stages, sockets, strict=True):
                try:
                    found[trigger.__name__] = _closed_after(socket, partial(trigger, staged))
                except Stumble as error:
                    complain(f"{trigger.__name__}: {error}")
                    found[trigger.__name__] = None
    finally:
        for socket in sockets:
            socket.close()
        for person in [*(socket.person for socket in sockets), *(s.other for s in stages if s.other is not None)]:
            person.close()
    return found


def _closed_after(socket: Socket, act: Callable[[], None]) -> float | None:
    if socket.dropped:
        raise Stumble("the socket was closed before anything had happened")
    act()
    done = time.monotonic()
    while not socket.dropped and time.monotonic() - done < PATIENCE:
        time.sleep(0.02)
    return round(time.monotonic() - done, 1) if socket.dropped else None


@contextmanager
def _without_valkey(house: House) -> Iterator[None]:
    """Killed, and killed again whenever it is started again."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.2):
            if (pid := house.pid("valkey")) is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    time.sleep(1.0)
    try:
        yield
    finally:
        over.set()
        killer.join(10)


def worst(rounds: list[dict[str, float | None]]) -> dict[str, float | None]:
    """Of each trigger the longest; None when it was not closed once."""
    found: dict[str, float | None] = {}
    for name in rounds[0]:
        times = [took for one in rounds if (took := one[name]) is not None]
        found[name] = max(times) if len(times) == len(rounds) else None
    return found


def complaints(longest: dict[str, float | None]) -> list[str]:
    """What took too long, in sentences."""
    return [
        f"revoked by {name}: " + ("the socket stayed open" if took is None else f"open for {took} s more")
        for name, took in longest.items()
        if took is None or took > WITHIN
    ]
