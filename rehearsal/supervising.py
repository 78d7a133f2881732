"""Takes the demo's two supervisors, leaves sending stopped, or released by both of them: nobody ends a stop alone."""

from citisocial.servers import House

from .people import Person, Stumble, form_on
from .scene import SUPERVISOR, sign_in

SECOND = "ruth"
SENDING = "/admin/conversations/sendingstop/sending/"


class Supervisors:
    """Both signed in: the first stops and asks for the release, the second agrees to it."""

    def __init__(self, house: House) -> None:
        self.site = house.site_url
        self.first, self.second = Person("the supervisor"), Person("the second supervisor")
        for person, name in ((self.first, SUPERVISOR), (self.second, SECOND)):
            sign_in(person, house, name, at="/admin/")

    def close(self) -> None:
        self.first.close()
        self.second.close()

    def stop(self, reason: str) -> None:
        """Everything, in the admin."""
        page = self.first.open(self.site + SENDING)
        form = form_on(page, "/sendingstop/stop/")
        self.first.settle(self.first.send(page, form, {"scope": "everything", "reason": reason}))

    def release(self) -> None:
        """One asks and cannot agree; the other agrees."""
        page = self.first.open(self.site + SENDING)
        asked = self.first.settle(self.first.send(page, form_on(page, "/ask/")))
        if asked.page.form("/release/", at=asked.url) is not None:
            raise Stumble("who asked for the release is offered to agree to it")
        page = self.second.open(self.site + SENDING)
        self.second.settle(self.second.send(page, form_on(page, "/release/")))
