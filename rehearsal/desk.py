"""Takes a post that became a case, leaves it answered by an agent, through the pages she uses."""

from citisocial.servers import House

from .people import Answer, Person, Stumble, form_on
from .scene import AGENT, sign_in, until

INVITATION = "Hi, this is Maya from Citi. I would like to look at this with you in our secure chat: {link}"


class Desk:
    """One agent who is signed in and answers what she is given."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.agent = Person("the agent")
        sign_in(self.agent, house, AGENT, at="/workspace/")

    def close(self) -> None:
        self.agent.close()

    def invite(self, case: str) -> None:
        """By direct message, with a link; it leaves at once."""
        self._write(case, "/invite/", {"text": INVITATION})

    def reply(self, case: str, text: str, *, button: bool) -> None:
        """In public, under the customer's post; with a button to message us, or without."""
        self._write(case, "/reply/", {"text": text} | ({"message_button": "on"} if button else {}))

    def _write(self, case: str, door: str, fields: dict[str, str]) -> None:
        page = self._hers(case, door)
        answer = self.agent.send(page, form_on(page, door), fields, press=door)
        if answer.status >= 400:
            raise Stumble(f"{door} of a case was refused: {answer.status} {answer.page.text[-300:]!r}")
        page = self.agent.settle(answer)
        self.agent.settle(self.agent.send(page, form_on(page, "/now/")))

    def _hers(self, case: str, door: str) -> Answer:
        """The case's page, where it is hers (assigned, or taken) and can be answered that way."""
        url = f"{self.house.site_url}/workspace/cases/{case}/"

        def hers() -> Answer | None:
            page = self.agent.open(url)
            if (form := page.page.form("/take/", at=page.url)) is not None:
                page = self.agent.settle(self.agent.send(page, form))
            return page if page.page.form(door, at=page.url) is not None else None

        return until(hers, f"a way to answer the case by {door}", within=20.0)
