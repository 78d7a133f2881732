"""Takes a filter and a reason, leaves a file of the trail, streamed, and a line in the trail that says who took it."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils.timezone import make_aware
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from conversations import audit
from conversations.admin.listing import nothing_private
from conversations.audit import VERBS
from conversations.models import AuditEvent

MOST = 100_000  # lines in one file
PAGE = 1000
COLUMNS = ("id", "at", "verb", "words", "case", "user", "actor", "data", "nonce", "mac", "xact")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet would calculate
Rows = QuerySet[AuditEvent]


class ExportForm(forms.Form):
    """Which lines, as what, and why."""

    since = forms.DateField(label=_("From (day)"), required=False, widget=forms.DateInput({"type": "date"}))
    until = forms.DateField(label=_("To (day, included)"), required=False, widget=forms.DateInput({"type": "date"}))
    verb = forms.ChoiceField(label=_("What"), required=False, choices=[("", _("Everything")), *VERBS.items()])
    case = forms.IntegerField(label=_("Case number"), required=False, min_value=1, max_value=2**62)
    format = forms.ChoiceField(
        label=_("File"), choices=[("csv", _("CSV, for spreadsheets")), ("jsonl", _("JSON lines"))]
    )
    reason = forms.CharField(
        label=_("Why (it is written into the trail)"), min_length=5, max_length=200, validators=[nothing_private]
    )

    def clean(self) -> dict[str, Any]:
        """Also how many lines it is about: ValidationError for more than MOST."""
        said = super().clean() or self.cleaned_data
        if self.errors:
            return said
        self.rows, self.count = chosen(said)
        if self.count > MOST:
            raise ValidationError(
                say("These are more than %(most)s lines. Choose fewer days, and export the others after.")
                % {"most": f"{MOST:,}"}
            )
        return said


def chosen(said: dict[str, Any]) -> tuple[Rows, int]:
    """The lines that there are now, and how many, counted up to MOST + 1."""
    rows = AuditEvent.objects.all()
    if said["since"]:
        rows = rows.filter(at__gte=make_aware(datetime.combine(said["since"], time.min)))
    if said["until"]:
        rows = rows.filter(at__lt=make_aware(datetime.combine(said["until"] + timedelta(days=1), time.min)))
    if said["verb"]:
        rows = rows.filter(verb=said["verb"])
    if said["case"]:
        rows = rows.filter(case=said["case"])
    newest = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True).first()
    rows = rows.filter(pk__lte=newest or 0)  # what comes while it is streamed is not in the count
    return rows, rows.order_by()[: MOST + 1].count()


def export(form: ExportForm, *, by: User) -> StreamingHttpResponse:
    """Write down that it is taken, then stream it."""
    said = form.cleaned_data
    about = {name: str(said[name]) for name in ("since", "until", "verb", "case", "format", "reason") if said[name]}
    audit.record("trail_exported", user=by, actor="supervisor", data=about | {"rows": form.count})
    write, kind = (as_csv, "text/csv") if said["format"] == "csv" else (as_json, "application/x-ndjson")
    heading = as_row(COLUMNS) if write is as_csv else ""
    answer = StreamingHttpResponse(streamed(form.rows, write, heading), content_type=f"{kind}; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="audit-trail.{said["format"]}"'
    answer["Cache-Control"] = "no-store"
    return answer


async def streamed(rows: Rows, write: Callable[[AuditEvent], str], heading: str) -> AsyncIterator[str]:
    """The file in pieces of PAGE lines, each read by its own query from the last id on."""
    yield heading
    last = 0
    while page := [row async for row in rows.filter(pk__gt=last).select_related("user").order_by("pk")[:PAGE]]:
        yield "".join(write(row) for row in page)
        last = page[-1].pk


def values(event: AuditEvent) -> dict[str, Any]:
    """All that is needed to check the line's MAC, and its words."""
    return {
        "id": event.pk,
        "at": event.at.isoformat(),
        "verb": event.verb,
        "words": VERBS.get(event.verb, event.verb),
        "case": event.case_id,
        "user": event.user.get_username() if event.user else None,
        "actor": event.actor,
        "data": event.data,
        "nonce": bytes(event.nonce).hex(),
        "mac": bytes(event.mac).hex(),
        "xact": event.xact,
    }


def as_json(event: AuditEvent) -> str:
    """One JSON object and its line's end."""
    return json.dumps(values(event), ensure_ascii=False) + "\n"


def as_csv(event: AuditEvent) -> str:
    """One row; nothing in it is a formula for a spreadsheet."""
    cells = values(event)
    cells["data"] = json.dumps(event.data, ensure_ascii=False)
    return as_row([guarded(cells[name]) for name in COLUMNS])


def guarded(cell: Any) -> Any:
    """Text that a spreadsheet would calculate begins with an apostrophe instead."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def as_row(cells: Any) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
