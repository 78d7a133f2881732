"""Direct messages: who may write to whom, how often, and how they are read back."""

from tests.sandbox.conftest import Sandbox

READ = "/2/dm_events"


def write_to(number: str) -> str:
    return f"/2/dm_conversations/with/{number}/messages"


def test_who_takes_no_messages_is_not_reached_unless_they_wrote_first(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True, jorge_p=False)
    brand = sandbox.user("AskCiti")

    refused = brand.post(write_to(ids["jorge_p"]), json={"text": "Hello"})
    assert refused.status_code == 403
    assert refused.json() == {
        "title": "Forbidden",
        "detail": "You do not have permission to DM one or more participants.",
        "type": "about:blank",
        "status": 403,
    }
    sandbox.control("dms", **{"from": "jorge_p", "to": "AskCiti", "text": "I need help"})
    assert brand.post(write_to(ids["jorge_p"]), json={"text": "Hello"}).status_code == 201
    assert brand.post(write_to(ids["AskCiti"]), json={"text": "Hello me"}).status_code == 403


def test_a_message_is_answered_with_its_conversation(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True)
    small, large = sorted((int(ids["AskCiti"]), int(ids["maya_r"])))

    sent = sandbox.user("AskCiti").post(write_to(ids["maya_r"]), json={"text": "Hello"})

    assert sent.status_code == 201
    data = sent.json()["data"]
    assert data["dm_conversation_id"] == f"{small}-{large}"
    assert sent.headers["location"].endswith(data["dm_event_id"])
    assert sandbox.control_dms("maya_r")[0] | {"created_at": ""} == {
        "id": data["dm_event_id"],
        "from": "AskCiti",
        "to": "maya_r",
        "text": "Hello",
        "created_at": "",
    }


def test_the_sixteenth_message_in_a_quarter_of_an_hour_is_refused(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True, Citi=True, maya_r=True)
    brand, other = sandbox.user("AskCiti"), sandbox.user("Citi")

    for number in range(15):
        sent = brand.post(write_to(ids["maya_r"]), json={"text": f"Hello {number}"})
        assert sent.status_code == 201
        assert sent.headers["x-rate-limit-remaining"] == str(14 - number)
    refused = brand.post(write_to(ids["maya_r"]), json={"text": "Hello again"})

    assert refused.status_code == 429
    assert refused.headers["x-rate-limit-limit"] == "15"
    assert len(sandbox.control_dms("maya_r")) == 15
    assert other.post(write_to(ids["maya_r"]), json={"text": "Hello"}).status_code == 201


def test_texts_that_are_none_or_too_long_are_refused(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True)
    brand = sandbox.user("AskCiti")

    for body in ({}, {"text": ""}, {"text": "x" * 10_001}, {"text": "x", "quick_reply": {}}, {"message": "x"}):
        assert brand.post(write_to(ids["maya_r"]), json=body).status_code == 400
    assert brand.post(write_to("5"), json={"text": "x"}).status_code == 400
    assert brand.post(write_to(ids["maya_r"]), json={"text": "x" * 10_000}).status_code == 201


def test_messages_are_read_back_newest_first_with_their_links(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True, omar_h=True)
    brand = sandbox.user("AskCiti")
    brand.post(write_to(ids["maya_r"]), json={"text": "Open http://localhost:8001/Ab3xYz please"})
    brand.post(write_to(ids["omar_h"]), json={"text": "Hello Omar"})
    sandbox.control("dms", **{"from": "maya_r", "to": "AskCiti", "text": "Thanks"})
    params = {
        "dm_event.fields": "created_at,dm_conversation_id,entities,event_type,id,text",
        "expansions": "sender_id",
        "user.fields": "username",
    }

    everything = brand.get(READ, params=params).json()
    assert [(event["text"].split(" ")[0], event["sender_id"]) for event in everything["data"]] == [
        ("Thanks", ids["maya_r"]),
        ("Hello", ids["AskCiti"]),
        ("Open", ids["AskCiti"]),
    ]
    assert everything["meta"] == {"result_count": 3}
    assert {user["username"] for user in everything["includes"]["users"]} == {"AskCiti", "maya_r"}
    linked = everything["data"][2]
    (url,) = linked["entities"]["urls"]
    assert url["expanded_url"] == "http://localhost:8001/Ab3xYz"
    assert linked["text"] == f"Open {url['url']} please"
    assert linked["text"][url["start"] : url["end"]] == url["url"]

    with_maya = brand.get(f"/2/dm_conversations/with/{ids['maya_r']}/dm_events", params=params).json()
    assert [event["id"] for event in with_maya["data"]] == [everything["data"][0]["id"], linked["id"]]
    same = brand.get(f"/2/dm_conversations/{linked['dm_conversation_id']}/dm_events", params=params).json()
    assert same["data"] == with_maya["data"]
    bare = brand.get(READ).json()["data"][0]
    assert bare == {"id": everything["data"][0]["id"], "event_type": "MessageCreate", "text": "Thanks"}


def test_messages_are_paged(sandbox: Sandbox) -> None:
    sandbox.people(AskCiti=True)
    for number in range(5):
        sandbox.control("dms", **{"from": "maya_r", "to": "AskCiti", "text": f"message {number}"})
    brand = sandbox.user("AskCiti")

    first = brand.get(READ, params={"max_results": "3"}).json()
    second = brand.get(READ, params={"max_results": "3", "pagination_token": first["meta"]["next_token"]}).json()

    assert len(first["meta"]["next_token"]) >= 16
    texts = [event["text"] for event in (*first["data"], *second["data"])]
    assert texts == [f"message {number}" for number in (4, 3, 2, 1, 0)]
    assert "next_token" not in second["meta"]


def test_nobody_reads_what_is_not_theirs(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True, eve=True)
    conversation = (
        sandbox.user("AskCiti")
        .post(write_to(ids["maya_r"]), json={"text": "Hello"})
        .json()["data"]["dm_conversation_id"]
    )
    eve = sandbox.user("eve")

    assert eve.get(READ).json() == {"meta": {"result_count": 0}}
    assert eve.get(f"/2/dm_conversations/with/{ids['maya_r']}/dm_events").json() == {"meta": {"result_count": 0}}
    assert eve.get(f"/2/dm_conversations/{conversation}/dm_events").status_code == 403
