"""Takes what the form beside the composer sends, leaves it typed: a file, what is said with it, and its number."""

from django import forms
from django.utils.translation import gettext_lazy as _


class FileForm(forms.Form):
    """`client_id` makes sending twice harmless. What the file may be is the domain's to say."""

    file = forms.FileField(allow_empty_file=True, error_messages={"required": _("Choose a file first.")})
    text = forms.CharField(required=False)
    client_id = forms.UUIDField()
