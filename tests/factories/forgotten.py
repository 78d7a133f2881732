"""Takes a house in which Maria has played before, leaves her as somebody whom nobody knows yet."""

import psycopg

from citisocial.servers import House
from rehearsal.people import Person, form_on
from rehearsal.scene import sign_in


def forget_maria(house: House) -> None:
    """No case of hers is open and no handle remembered, whatever ran here before."""
    with psycopg.connect(house.database_url, autocommit=True) as books:
        books.execute("UPDATE conversations_case SET status = 'CLOSED' WHERE customer_id IS NOT NULL")
    customer = Person("the customer")
    page = sign_in(customer, house, "maria", at="/my/")
    if any("handle" in form.fields for form in page.page.forms):
        customer.send(page, form_on(page, "/my/"))
    customer.close()
