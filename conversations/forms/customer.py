"""Takes what a customer typed or ticked, leaves it typed: a code, an answer to the survey, a handle to take back."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import ProvenHandle
from conversations import surveys

FIVE = [(str(n), str(n)) for n in range(1, 6)]


class CodeForm(forms.Form):
    """The code of a message, typed instead of following its link. How it is written is the reader's own."""

    code = forms.CharField(
        max_length=40,
        help_text=_("The eight letters and digits in the message. Small letters, spaces and hyphens do not matter."),
        error_messages={
            "required": _("Enter the code from the message."),
            "max_length": _("That is too long for a code: it has eight letters and digits."),
        },
        widget=forms.TextInput(
            attrs={
                "class": "input mono",
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "placeholder": "XXXX-XXXX",
            }
        ),
    )


class RevokeForm(forms.Form):
    """One of the customer's own confirmed handles."""

    handle = forms.ModelChoiceField(queryset=ProvenHandle.objects.none())

    def __init__(self, *args: Any, handles: QuerySet[ProvenHandle], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["handle"].queryset = handles  # type: ignore[attr-defined]


class SurveyForm(forms.Form):
    """CSAT, solved or not, effort, one comment. Nothing is ticked beforehand; the last two may be left out."""

    solved = forms.TypedChoiceField(
        choices=[("yes", _("Yes")), ("no", _("No"))],
        coerce=lambda value: value == "yes",
        widget=forms.RadioSelect,
        error_messages={"required": _("Tell us whether it was solved.")},
    )
    csat = forms.TypedChoiceField(
        choices=FIVE,
        coerce=int,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose a number from 1 to 5.")},
    )
    effort = forms.TypedChoiceField(
        choices=FIVE, coerce=int, empty_value=None, required=False, widget=forms.RadioSelect
    )
    comment = forms.CharField(
        required=False,
        max_length=surveys.COMMENT,
        widget=forms.Textarea(attrs={"class": "input", "rows": 3, "aria-describedby": "id_comment_hint"}),
    )
