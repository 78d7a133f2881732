"""What `faults handoff` does, once each, in the browser tests' house: nobody gets in but the right person."""

from collections.abc import Iterator

import psycopg
import pytest

from citisocial.servers import House
from rehearsal import intruding
from rehearsal.attacks import AFTER, BEFORE
from rehearsal.people import Person, form_on
from rehearsal.scene import Scene, sign_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:connect\\(\\) must be used as a context manager:DeprecationWarning"),
    pytest.mark.xdist_group("walk"),
]


@pytest.fixture
def scene(house: House) -> Iterator[Scene]:
    """Nothing is remembered of the customer's handle, and no case is open, whatever ran here before."""
    with psycopg.connect(house.database_url, autocommit=True) as books:
        books.execute("UPDATE conversations_case SET status = 'CLOSED' WHERE customer_id IS NOT NULL")
    customer = Person("the customer")
    page = sign_in(customer, house, "maria", at="/my/")
    if any("handle" in form.fields for form in page.page.forms):
        customer.send(page, form_on(page, "/my/"))
    customer.close()
    played = Scene(house, "dm", lambda: None)
    yield played
    played.close()


def test_only_the_right_person_comes_through(scene: Scene) -> None:
    with psycopg.connect(scene.house.database_url, autocommit=True) as books:
        siege = intruding.Siege(lambda done: None, books)  # type: ignore[arg-type]
        intruding.besiege(scene, siege, len(BEFORE) + len(AFTER), rounds=1)
    assert siege.wrong == []
    assert (siege.opened, siege.served) == (0, 1)
    assert set(siege.kinds) == {attack.__name__ for attack in (*BEFORE, *AFTER)}
