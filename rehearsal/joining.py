"""Takes a link in a direct message, leaves a resolved case and its story: the second half."""

import time
import uuid
from urllib.parse import urljoin, urlsplit

from .people import Stumble, form_on, redirected
from .scene import SUPERVISOR, WAIT, Scene, find, open_chat, sign_in, sign_in_here
from .sockets import Frame, Socket

STORY = (
    "Case opened",
    "Invitation written",
    "Contacted",
    "Link opened",
    "Signed in to the bank",
    "Handle proven",
    "Joined the secure chat",
    "Resolved",
    "Survey answered",
)


def welcome(scene: Scene) -> str:
    """The page shows what a stranger may see, and nothing else."""
    if scene.welcome is None:
        raise Stumble("the link was not opened")
    text = scene.welcome.page.text
    for word in ("Citi", "AskCiti", scene.agent_name.title()):
        if word not in text:
            raise Stumble(f"the welcome page does not say {word!r}: {text[:300]!r}")
    body = scene.welcome.body.lower()
    for secret in (scene.part.handle, scene.part.post.split(" ", 1)[1].lower(), scene.case_id, scene.post_id):
        if secret in body:
            raise Stumble(f"the welcome page tells a stranger {secret!r}")
    return "the bank, our handle and the agent's first name; nothing of the case"


def sign_in_to_bank(scene: Scene) -> str:
    """The customer opens the invitation and signs in to the bank."""
    if scene.welcome is None:
        raise Stumble("the link was not opened")
    site = scene.house.site_url
    form = form_on(scene.welcome, urlsplit(scene.welcome.url).path)
    opened = scene.customer.send(scene.welcome, form)
    redirected(opened, to=site, path="/accounts/login/")
    page = sign_in_here(scene.customer, scene.house, scene.part.login, scene.customer.settle(opened, to=site))
    if urlsplit(page.url).path != "/handoff/":
        raise Stumble(f"signing in led to {page.url} instead of /handoff/")
    scene.handoff = page
    return f"{scene.part.login} signed in to the bank"


def proof(scene: Scene) -> str:
    """The customer confirms the handle at the network and comes back."""
    if scene.handoff is None:
        raise Stumble("the customer has not signed in")
    site, x = scene.house.site_url, scene.house.x_url
    start = scene.customer.send(scene.handoff, form_on(scene.handoff, "/handoff/"))
    authorize = redirected(start, to=x, path="/i/oauth2/authorize")
    if "code_challenge_method=S256" not in authorize:
        raise Stumble("the request to the network carries no PKCE challenge")
    consent = scene.customer.open(authorize, to=x)
    form = form_on(consent, "/i/oauth2/authorize")
    back = redirected(scene.customer.send(consent, form, press="approve"), to=site, path="/x/callback")
    scene.chat_url = redirected(scene.customer.get(back), to=site, path="/chat/")
    again = scene.customer.get(back)
    if "/chat/" in again.location:
        raise Stumble("the callback could be used twice")
    return f"@{scene.part.handle} is proven"


def join(scene: Scene) -> str:
    """Both sides have the chat open, and the agent sees that the customer is there."""
    page = scene.customer.open(scene.chat_url, to=scene.house.site_url)
    case_id = find(r"/chat/([0-9a-f-]{36})/", page.url, "case in the chat's address")
    if case_id != scene.case_id:
        raise Stumble("the customer was led to another case than the agent's")
    scene.agent_chat = open_chat(scene.agent, scene.house, scene.case_id)
    scene.customer_chat = open_chat(scene.customer, scene.house, scene.case_id)
    _until_status(scene, "CONNECTED")
    return "both sides are in the chat"


def chat(scene: Scene) -> str:
    """Both write, a repeat is harmless, a lost connection loses nothing, and both have read the same in the end."""
    agent, customer = _both(scene)
    said = [_say(agent, agent, customer, "Hello, thank you for coming here. What has happened?")]
    said.append(_say(customer, agent, customer, "My card was declined, twice. I was rather embarrassed."))
    customer.send({"type": "post", "client_id": said[-1]["client_id"], "text": said[-1]["text"]})
    scene.wipe()
    said.append(_say(agent, agent, customer, "I see it. It was a block of ours, and I have lifted it."))
    customer.drop()
    for text in ("Please try once more.", "Are you still there?"):
        said.append(_post(agent, text))
        _arrives(agent, said[-1])
    customer.open()
    for message in said[-2:]:
        _arrives(customer, message)
    said.append(_say(customer, agent, customer, "It works! I was in a tunnel. Thank you."))
    fresh = open_chat(scene.customer, scene.house, scene.case_id)
    try:
        _same(said, {"the agent": agent, "the customer": customer, "a new tab": fresh})
    finally:
        fresh.close()
    return f"{len(said)} messages, in order on both sides, over a dropped connection"


def resolve(scene: Scene) -> str:
    """The agent closes the matter; the customer sees it at once."""
    page = scene.agent.open(scene.case_url)
    scene.agent.settle(scene.agent.send(page, form_on(page, "/resolve/")))
    _, customer = _both(scene)
    customer.wait(lambda frame: frame.get("status") == "RESOLVED", "that the case is resolved", within=WAIT)
    return "resolved, and the customer sees it"


def survey(scene: Scene) -> str:
    """The customer says how it was."""
    site = scene.house.site_url
    page = scene.customer.open(scene.chat_url, to=site)
    links = [link.href for link in page.page.links if "/survey/" in link.href]
    if not links:
        page = scene.customer.open(f"{site}/my/", to=site)
        links = [link.href for link in page.page.links if "/survey/" in link.href]
    if not links:
        raise Stumble("neither the chat nor /my/ offers the survey")
    page = scene.customer.open(urljoin(page.url, links[0]), to=site)
    form = form_on(page, urlsplit(page.url).path)
    yes = next((v for v in form.choices.get("solved", []) if v.lower() in {"yes", "true", "1", "on"}), "on")
    fields = {"csat": "5", "solved": yes, "effort": "1", "comment": "Solved in minutes, with one person."}
    answer = scene.customer.send(page, form, fields)
    thanks = scene.customer.settle(answer, to=site)
    if "thank you" not in thanks.page.text.lower():
        raise Stumble(f"nobody said thank you for the survey: {thanks.page.text[:300]!r}")
    return "5 of 5, solved"


def story(scene: Scene) -> str:
    """The supervisor reads the whole story on the case's page."""
    site = scene.house.site_url
    sign_in(scene.supervisor, scene.house, SUPERVISOR, at="/admin/")
    listing = scene.supervisor.open(f"{site}/admin/conversations/case/", to=site)
    changes = [link.href for link in listing.page.links if link.href.split("?")[0].endswith("/change/")]
    if not changes:
        raise Stumble("the supervisor's list of cases is empty")
    page = scene.supervisor.open(urljoin(listing.url, changes[0]), to=site)
    missing = [words for words in STORY if words.lower() not in page.page.text.lower()]
    if missing:
        raise Stumble(f"the case's page does not tell: {', '.join(missing)}")
    return "the supervisor reads the whole trail"


def _both(scene: Scene) -> tuple[Socket, Socket]:
    if scene.agent_chat is None or scene.customer_chat is None:
        raise Stumble("the chat is not open on both sides")
    return scene.agent_chat, scene.customer_chat


def _until_status(scene: Scene, status: str) -> None:
    """Until the agent is told: by the case's own socket or by her inbox, whichever speaks first."""
    deadline = time.monotonic() + WAIT
    sockets = [s for s in (scene.agent_chat, scene.inbox) if s is not None]
    while time.monotonic() < deadline:
        for socket in sockets:
            for _, frame in list(socket.frames):
                lines = [line for line in frame.get("cases", []) if line["id"] == scene.case_id]
                if any(one.get("status") == status for one in [frame, *lines]):
                    return
        time.sleep(0.05)
    raise Stumble(f"the agent was not told within {WAIT:.0f} s that the case is {status}")


def _post(socket: Socket, text: str) -> Frame:
    client_id = str(uuid.uuid4())
    socket.send({"type": "post", "client_id": client_id, "text": text})
    return {"client_id": client_id, "text": text}


def _arrives(socket: Socket, message: Frame) -> None:
    client_id = message["client_id"]
    frame = socket.wait(lambda f: f.get("client_id") == client_id, f"the message {message['text']!r}", within=WAIT)
    if frame["type"] != "message" or frame["text"] != message["text"]:
        raise Stumble(f"{message['text']!r} came back as {frame}")
    message["seq"] = frame["seq"]


def _say(who: Socket, agent: Socket, customer: Socket, text: str) -> Frame:
    """One side says it, both sides read it."""
    message = _post(who, text)
    for socket in (agent, customer):
        _arrives(socket, message)
    return message


def _same(said: list[Frame], readers: dict[str, Socket]) -> None:
    """Everybody has read all that was said, once (repeats have the same seq and text), in the order of seq 1, 2, …"""
    expected = [(number, message["text"]) for number, message in enumerate(said, 1)]
    for name, socket in readers.items():
        read: dict[int, str] = {}
        order: list[int] = []
        for _, frame in list(socket.frames):
            if frame["type"] == "message" and read.setdefault(frame["seq"], frame["text"]) != frame["text"]:
                raise Stumble(f"{name} read two texts with seq {frame['seq']}")
            if frame["type"] == "message" and frame["seq"] not in order:
                order.append(frame["seq"])
        if [(seq, read[seq]) for seq in order] != expected:
            raise Stumble(f"{name} read {[(seq, read[seq]) for seq in order]} where {expected} was said")
