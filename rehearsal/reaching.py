"""Takes a customer with a complaint, leaves a link to the secure chat in their direct messages: the first half."""

from collections.abc import Callable
from urllib.parse import urljoin

from .pages import read
from .people import Answer, Person, Stumble, form_on, redirected
from .scene import AGENT, WAIT, Scene, find, open_inbox, sign_in, until
from .sockets import Frame

INVITATION = "Hi, this is {agent} from Citi. I would like to look at this with you in our secure chat: {{link}}"
REPLY = "We are sorry to hear that. Please send us a direct message, so that we can look into it with you."
REFUSAL = "does not accept direct messages"
ANSWER = "Hello, you asked me to write here. It is about the transfer of Monday."


def agent(scene: Scene) -> str:
    """The agent signs in and leaves her inbox open."""
    page = sign_in(scene.agent, scene.house, AGENT, at="/workspace/")
    if not page.url.startswith(f"{scene.house.site_url}/workspace/"):
        raise Stumble(f"the agent ended at {page.url} instead of her workspace")
    scene.inbox = open_inbox(scene.agent, scene.house)
    return f"{AGENT} has her inbox open"


def tweet(scene: Scene) -> str:
    """The customer signs in at the network and says it in public."""
    x = scene.house.x_url
    page = scene.customer.open(f"{x}/", to=x)
    login = form_on(page, "/login")
    page = scene.customer.settle(scene.customer.send(page, login, {"handle": scene.part.handle}), to=x)
    page = scene.customer.open(f"{x}/", to=x)
    sent = scene.customer.send(page, form_on(page, "/tweet"), {"text": scene.part.post})
    scene.customer.settle(sent, to=x)
    page = scene.customer.open(f"{x}/", to=x)
    scene.post_id = find(r"/status/(\d+)", " ".join(link.href for link in page.page.links), "post of the customer's")
    return f"@{scene.part.handle}: {scene.part.post}"


def inbox(scene: Scene) -> str:
    """The case appears in the agent's open inbox without a reload."""
    line = _line(scene, lambda line: True, within=WAIT)
    scene.case_id = line["id"]
    return f"case {line['number']} of @{line['handle'].lstrip('@')} is in the inbox"


def take(scene: Scene) -> str:
    """The case is with the agent: assigned to her, or she takes it; if it went to a colleague, the colleague plays."""
    line = _line(scene, lambda line: line["agent"] is not None, within=8, else_last=True)
    if line["agent"] is not None and not line["mine"]:
        name = str(line["agent"]).split()[0].lower()
        scene.agent_name = name
        if scene.inbox is not None:
            scene.inbox.close()
        scene.agent.close()
        scene.agent = Person("the agent")
        sign_in(scene.agent, scene.house, name, at="/workspace/")
        scene.inbox = open_inbox(scene.agent, scene.house)
        return f"it was assigned to {line['agent']}, who goes on"
    if line["mine"]:
        return "it was assigned to her"
    page = scene.agent.open(scene.case_url)
    scene.agent.settle(scene.agent.send(page, form_on(page, "/take/")))
    _line(scene, lambda line: line["mine"], within=WAIT)
    return "she took it"


def refused(scene: Scene) -> str:
    """The agent is told, in words, that this person cannot be written to first; pressing send changes nothing."""
    # The stream does not say who accepts messages; the polled mentions, which come a few seconds later, do.
    page = until(lambda: _page_with(scene, REFUSAL), "the words that a direct message is out", within=WAIT)
    form = form_on(page, "/invite/")
    answer = scene.agent.send(page, form, {"text": _invitation(scene)}, press="/invite/")
    if answer.status != 409 or REFUSAL not in answer.page.text.lower():
        raise Stumble(f"the invitation was not refused: {answer.status} {answer.page.text[:300]!r}")
    return "no direct message may be sent first, says the page, and none is"


def reply(scene: Scene) -> str:
    """The public reply with a message button leaves, and stands under the customer's post."""
    page = scene.agent.open(scene.case_url)
    form = form_on(page, "/reply/")
    fields = {"text": REPLY, "message_button": "on"}
    _send_now(scene, scene.agent.settle(scene.agent.send(page, form, fields, press="/reply/")))
    url = f"{scene.house.x_url}/status/{scene.post_id}"

    def look() -> Answer | None:
        page = scene.customer.open(url, to=scene.house.x_url)
        return page if REPLY[:40] in page.page.text else None

    until(look, "the public reply", within=WAIT)
    return "the reply stands under the post"


def message(scene: Scene) -> str:
    """The customer presses "Message" under the reply and writes; it arrives in the same case."""
    x = scene.house.x_url
    page = scene.customer.open(f"{x}/status/{scene.post_id}", to=x)
    button = next((link for link in page.page.links if "/dms?" in link.href and "to=" in link.href), None)
    if button is None:
        raise Stumble(f"no message button under the reply: {[link.href for link in page.page.links]}")
    page = scene.customer.open(urljoin(page.url, button.href), to=x)
    scene.customer.settle(scene.customer.send(page, form_on(page, "/dms"), {"text": ANSWER}), to=x)
    until(lambda: _page_with(scene, ANSWER[:40].lower()), "the customer's direct message in the case", within=WAIT)
    return "their message is in the case"


def invite(scene: Scene) -> str:
    """The agent writes the invitation, presses send and does not wait for the time to undo."""
    page = scene.agent.open(scene.case_url)
    form = form_on(page, "/invite/")
    _send_now(scene, scene.agent.settle(scene.agent.send(page, form, {"text": _invitation(scene)}, press="/invite/")))
    scene.wipe()
    return "sent without waiting for the time to undo"


def dm(scene: Scene) -> str:
    """The customer finds the message with the link."""
    scene.link = until(lambda: links(scene) or None, "the direct message with the link", within=WAIT)[-1]
    return "the direct message is there, with its link"


def links(scene: Scene) -> list[str]:
    """The links of ours in the customer's direct messages, the newest last."""
    page = scene.customer.open(f"{scene.house.x_url}/dms", to=scene.house.x_url)
    return [link.href for link in page.page.links if link.href.startswith(f"{scene.house.link_url}/")]


def link(scene: Scene) -> str:
    """Opening the link leads to the bank's own site; a scanner that opens it too changes nothing."""
    site = scene.house.site_url
    before = _settled(scene)
    first = scene.customer.get(scene.link)
    where = redirected(first, to=site, path="/welcome/")
    if first.headers.get("Referrer-Policy") != "no-referrer":
        raise Stumble("the link host does not send Referrer-Policy: no-referrer")
    for method in ("GET", "HEAD"):
        if redirected(scene.customer.get(scene.link, method=method), to=site) != where:
            raise Stumble(f"a second {method} of the link leads elsewhere")
        if scene.customer.get(where, method=method).status != 200:
            raise Stumble(f"a {method} of the welcome page is refused")
    if (after := _timeline(scene)) != before:
        raise Stumble(f"opening the link has changed the case from {before!r} to {after!r}")
    scene.welcome = scene.customer.open(where, to=site)
    scene.wipe()
    return "302 to the bank's site; a second GET and a HEAD changed nothing"


def _line(scene: Scene, wanted: Callable[[Frame], bool], *, within: float, else_last: bool = False) -> Frame:
    """The newest inbox line of the customer's case that is like that (or, with `else_last`, the last one seen)."""
    if scene.inbox is None:
        raise Stumble("no inbox is open")
    found: list[Frame] = []

    def look(frame: Frame) -> bool:
        for line in frame.get("cases", []):
            if line["handle"].lstrip("@").lower() == scene.part.handle:
                found.append(line)
                if wanted(line):
                    return True
        return False

    try:
        scene.inbox.wait(look, f"the case of @{scene.part.handle}", within=within)
    except Stumble:
        if not (else_last and found):
            raise
    return found[-1]


def _invitation(scene: Scene) -> str:
    return INVITATION.format(agent=scene.agent_name.title())


def _send_now(scene: Scene, page: Answer) -> None:
    """Press "send now" on the case's page, where what was just written waits out its time to undo."""
    scene.agent.settle(scene.agent.send(page, form_on(page, "/now/")))


def _page_with(scene: Scene, words: str) -> Answer | None:
    page = scene.agent.open(scene.case_url)
    return page if words in page.page.text.lower() else None


def _settled(scene: Scene) -> str:
    """What the agent sees of the case when the invitation is known to have left; it may arrive before that is known."""
    until(lambda: _page_with(scene, "contacted"), "that the invitation has left", within=WAIT)
    return _timeline(scene)


def _timeline(scene: Scene) -> str:
    """The case's state and its story as the agent's page tells them.

    Not what stands after them, at the composer: what may be sent to this person, which a poll may learn at any moment.
    """
    whole = scene.agent.open(f"{scene.case_url}timeline/").body
    told, found, _rest = whole.partition('data-part="composer"')
    if not found:
        raise Stumble("the agent's page has no composer after the story")
    return read(told).text
