"""The trail as supervisors meet it: to read, to verify and to take away, each of which is itself written down."""

import csv
import io
import json
from datetime import timedelta
from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.urls import reverse

from citisocial.clock import now
from conversations import audit, tasks
from conversations.admin import trail, trail_export
from conversations.models import Alarm, AuditEvent
from tests.factories.heard import bank
from tests.factories.walked import opened, supervisor

LIST = "admin:conversations_auditevent_changelist"
VERIFY = "admin:conversations_auditevent_verify"
EXPORT = "admin:conversations_auditevent_export"


@pytest.fixture(autouse=True)
def anchors(settings, tmp_path):
    """An anchor file of the test's own."""
    settings.AUDIT_ANCHORS = str(tmp_path / "anchors")
    return tmp_path / "anchors"


@pytest.fixture
def grace(client):
    client.force_login(supervisor())
    return client


def lines(verb):
    return list(AuditEvent.objects.filter(verb=verb).order_by("pk"))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"b": [1, 2.5, True, None, "ü\u2028</script>"], "a": {"z": -0.0, "y": 1e300, "x": 1e-7, "w": 1e16}},
        {"long": 10**40, "1": 1, "half": 1.50},
    ],
)
@pytest.mark.django_db
def test_what_postgresql_gives_back_has_the_mac_that_was_written(data):
    event = audit.record("budget", actor="supervisor", data=data)
    again = AuditEvent.objects.extra(select={"text": "data::text"}).get(pk=event.pk)
    assert audit.mac(again, audit.micros(again.at), again.text) == bytes(again.mac)
    assert again.xact > 0


def test_canonical_tells_apart_what_is_different():
    same = ['{"a":1,"b":[1.5]}', '{ "b": [1.5], "a": 1 }', '{"a":1,"b":[15e-1]}']
    assert len({audit.canonical(text) for text in same}) == 1
    different = ['{"a":1}', '{"a":"1"}', '{"a":1.0}', '{"a":true}', '{"a":[1]}', '{"a":null}', "{}"]
    assert len({audit.canonical(text) for text in different}) == len(different)
    assert audit.canonical('{"a":1e3}') == '{"a":1000}'
    assert Decimal(audit.canonical("-0")) == 0


@pytest.mark.django_db
def test_reading_is_written_down_once_in_ten_minutes(grace, monkeypatch):
    first = audit.record("budget", actor="supervisor")
    grace.get(reverse(LIST))
    grace.get(reverse(LIST), {"verb": "budget", "at": "today"})
    grace.get(reverse("admin:conversations_auditevent_change", args=[first.pk]))
    [read] = lines("trail_read")
    assert (read.user.username, read.actor) == ("grace", "supervisor")
    monkeypatch.setattr(trail, "READ_AGAIN", timedelta(0))
    grace.get(reverse("admin:conversations_auditevent_change", args=[first.pk]))
    assert len(lines("trail_read")) == 2


@pytest.mark.django_db
def test_only_supervisors_read_verify_or_export(client):
    client.force_login(bank().agent("Eve").user)
    assert client.get(reverse(LIST), follow=True).status_code == 403
    assert client.get(reverse(EXPORT), follow=True).status_code == 403
    assert client.post(reverse(VERIFY), follow=True).status_code == 403
    assert not lines("trail_read")
    assert not lines("trail_exported")
    assert not lines("trail_verified")


@pytest.mark.django_db
def test_the_list_filters_by_time_and_says_how_the_trail_stands(grace):
    audit.record("budget", actor="supervisor")
    shown = grace.get(reverse(LIST), {"at": "week"})
    assert shown.context["cl"].result_count == 2
    assert "The trail was never verified." in shown.content.decode()
    assert "No line is sealed yet." in shown.content.decode()
    assert "Nothing was changed" in grace.post(reverse(VERIFY)).content.decode()
    [verified] = lines("trail_verified")
    assert verified.data == {"lines": 2, "seals": 0, "findings": 0}
    assert "was clean" in grace.get(reverse(LIST)).content.decode()


def forge():
    """A line that somebody without the key has put in, by SQL."""
    return AuditEvent.objects.create(at=now(), verb="closed", actor="agent", data={}, nonce=b"n" * 16, mac=b"m" * 32)


@pytest.mark.django_db
def test_what_is_found_is_shown_and_raises_the_days_alarm_once(grace):
    audit.record("budget", actor="supervisor")
    forged = forge()
    said = f"Line {forged.pk} (closed) was changed, or written without the key."
    for _ in range(2):
        assert said in grace.post(reverse(VERIFY)).content.decode()
    assert "found 1 things wrong" in grace.get(reverse(LIST)).content.decode()
    alarm = Alarm.objects.get(kind="trail")
    assert alarm.data == {"findings": [said]}


@pytest.mark.django_db
def test_a_long_trail_is_verified_in_the_background(grace, monkeypatch, django_capture_on_commit_callbacks):
    asked = []
    monkeypatch.setattr(trail, "AT_ONCE", -1)
    monkeypatch.setattr(tasks.verify_trail, "apply_async", lambda **_: asked.append(1))
    with django_capture_on_commit_callbacks(execute=True):
        assert grace.post(reverse(VERIFY)).status_code == 302
    assert asked == [1]


@pytest.mark.django_db
def test_the_command_says_what_is_wrong_and_fails(capsys):
    audit.record("budget", actor="supervisor")
    call_command("verify_audit")
    said = capsys.readouterr().out
    assert "1 lines and 0 seals were checked. 1 lines are not sealed yet, the oldest for 0 s." in said
    assert not lines("trail_verified")
    forge()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_audit")
    assert ended.value.code == 1
    assert "(closed) was changed, or written without the key." in capsys.readouterr().out
    assert not Alarm.objects.exists()
    with pytest.raises(SystemExit):
        call_command("verify_audit", alarm=True)
    assert Alarm.objects.filter(kind="trail").exists()


@pytest.mark.django_db
def test_the_command_without_a_key_says_what_to_do(settings):
    audit.record("budget", actor="supervisor")
    settings.AUDIT_KEY = ""
    with pytest.raises(SystemExit, match="AUDIT_KEY is not set"):
        call_command("verify_audit")


def content(answer):
    async def read():
        return b"".join([piece async for piece in answer.streaming_content]).decode()

    return async_to_sync(read)()


@pytest.mark.django_db
def test_an_export_is_written_down_before_it_is_streamed(grace, monkeypatch):
    monkeypatch.setattr(trail_export, "PAGE", 2)
    case = opened(bank())
    for number in range(3):
        audit.record("joined", case=case, actor="=cmd|' /C calc'!A0", data={"post": number})
    answer = grace.post(
        reverse(EXPORT),
        {"format": "csv", "reason": "Request 17 of the regulator", "case": case.pk, "since": "2020-01-01"},
    )
    [taken] = lines("trail_exported")
    assert taken.user.username == "grace"
    assert taken.data == {
        "since": "2020-01-01", "case": str(case.pk), "format": "csv", "reason": "Request 17 of the regulator",
        "rows": AuditEvent.objects.filter(case=case).count(),
    }  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(content(answer))))
    assert len(rows) == taken.data["rows"]
    assert [row["actor"] for row in rows][-1] == "'=cmd|' /C calc'!A0"
    assert "attachment" in answer["Content-Disposition"]


@pytest.mark.django_db
def test_an_exported_line_can_be_checked_with_the_key(grace):
    user = supervisor("root")
    audit.record("budget", user=user, actor="supervisor", data={"limit": 1.5})
    exported = content(grace.post(reverse(EXPORT), {"format": "jsonl", "reason": "a copy", "verb": "budget"}))
    [line] = [json.loads(each) for each in exported.splitlines()]
    again = AuditEvent(
        verb=line["verb"], user=user, actor=line["actor"], data=line["data"], nonce=bytes.fromhex(line["nonce"])
    )
    again.at = AuditEvent.objects.get(pk=line["id"]).at
    assert again.at.isoformat() == line["at"]
    assert audit.mac_of(again).hex() == line["mac"]


@pytest.mark.django_db
def test_an_export_needs_a_reason_and_has_an_end(grace, monkeypatch):
    for reason in ("", "4111 1111 1111 1111"):
        assert "adm-wrong" in grace.post(reverse(EXPORT), {"format": "csv", "reason": reason}).content.decode()
    monkeypatch.setattr(trail_export, "MOST", 1)
    audit.record("budget", actor="supervisor")
    audit.record("budget", actor="supervisor")
    assert "more than 1 lines" in grace.post(reverse(EXPORT), {"format": "csv", "reason": "all of it"}).content.decode()
    assert not lines("trail_exported")
