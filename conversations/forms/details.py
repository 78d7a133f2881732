"""Takes what is typed about a detail, leaves it typed: its name by an agent, its value by a customer."""

from django import forms
from django.utils.translation import gettext_lazy as _

from conversations import details


class AskForm(forms.Form):
    """The name of a detail, chosen from the list or typed. How long it may be is the domain's to say."""

    label = forms.CharField(max_length=1000, error_messages={"required": _("Choose or type what you need to know.")})


class GiveForm(forms.Form):
    """The value of a detail. No page draws this form: what was typed must not come back, even refused."""

    value = forms.CharField(
        max_length=details.VALUE,
        error_messages={
            "required": _("Write it into the field first, or say that you would rather not."),
            "max_length": _("That is too long: %(limit_value)d characters at most. Please type it again."),
            "null_characters_not_allowed": _("There is a sign in it that cannot be sent. Please type it again."),
        },
    )
