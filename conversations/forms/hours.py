"""Takes a weekly stretch as a supervisor types it, leaves it checked: a day by its name, an end after the beginning."""

from datetime import time
from itertools import pairwise
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.models import Shift


class OpeningForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """One stretch of one day."""

    weekday = forms.TypedChoiceField(
        label=_("weekday"), choices=Shift.Weekday.choices, coerce=int, widget=UnfoldAdminSelectWidget
    )

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or self.cleaned_data
        opens, closes = typed.get("opens"), typed.get("closes")
        if opens is not None and closes is not None and time() != closes <= opens:
            raise ValidationError(_("It closes before it opens. A night is two lines: until 00:00, and from 00:00."))
        return typed


class WeekFormSet(PaginationInlineFormSet):
    """The stretches of a week, none of them over another."""

    def clean(self) -> None:
        super().clean()
        week: list[tuple[int, time, time]] = []
        for form in self.forms:
            typed = getattr(form, "cleaned_data", {})
            if typed.get("DELETE") or not {"weekday", "opens", "closes"} <= typed.keys():
                continue
            closes = time.max if typed["closes"] == time() else typed["closes"]
            week.append((typed["weekday"], typed["opens"], closes))
        week.sort()
        for (day, _opens, closes), (next_day, opens, _closes) in pairwise(week):
            if day == next_day and opens < closes:
                raise ValidationError(_("Two stretches of %(day)s overlap.") % {"day": Shift.Weekday(day).label})
