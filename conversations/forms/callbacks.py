"""Takes what is typed to have a phone call, leaves it typed: a number, when to call it, a code that a caller says."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversations.models import Brand

NUMBER = 40  # signs, with whatever people write between the digits


class CallMeForm(forms.Form):
    """The number, and when: at once, or at one of the hours at which somebody answers, in the bank's own time zone."""

    number = forms.CharField(
        max_length=NUMBER,
        label=gettext_lazy("Your phone number"),
        help_text=gettext_lazy("With the country code, as in +1 212 555 0123. We erase it after the call."),
        error_messages={
            "required": gettext_lazy("Enter the number that we shall call."),
            "max_length": gettext_lazy("That is too long for a phone number."),
        },
        widget=forms.TextInput(attrs={"class": "input", "type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
    )
    at = forms.TypedChoiceField(
        required=False,
        coerce=datetime.fromisoformat,
        empty_value=None,
        label=gettext_lazy("When"),
        error_messages={"invalid_choice": gettext_lazy("Choose one of the times that are offered now.")},
        widget=forms.Select(attrs={"class": "input"}),
    )

    def __init__(self, *args: Any, brand: Brand, slots: list[datetime], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = ZoneInfo(brand.time_zone)
        hours = [(at.isoformat(), date_format(at.astimezone(zone), "D j M, H:i T")) for at in slots]
        field = self.fields["at"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = [("", _("As soon as possible")), *hours]


class CallCodeForm(forms.Form):
    """Six digits, as they are heard."""

    code = forms.CharField(
        max_length=20,
        error_messages={
            "required": gettext_lazy("Type the six digits that the caller says."),
            "max_length": gettext_lazy("A code has six digits."),
        },
    )
