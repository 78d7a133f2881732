"""Takes what colleagues and supervisors type about a case, leaves whom it is offered to, notes and whispers."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Agent, Team
from conversations import notes, transfers
from conversations.forms.workspace import EMPTY, AsTyped


class OfferForm(forms.Form):
    """A colleague or a team (`to`: agent-7 or team-2) and what they should know. Whether it may be, the domain says."""

    to = forms.RegexField(
        r"^(agent|team)-[0-9]{1,9}$",
        error_messages={"required": gettext_lazy("Choose whom you offer the case to.")},
    )
    note = AsTyped(
        error_messages={"required": gettext_lazy("Say what your colleague should know before they go on.")},
    )

    def clean_to(self) -> dict[str, Any]:
        """The one that was chosen, as keywords of transfers.offer."""
        kind, number = self.cleaned_data["to"].split("-")
        if kind == "agent" and (agent := Agent.objects.filter(pk=number).first()):
            return {"to_agent": agent}
        if kind == "team" and (team := Team.objects.filter(pk=number).first()):
            return {"to_team": team}
        raise forms.ValidationError(_("Choose whom you offer the case to."))


class NoteForm(forms.Form):
    """A note or a whisper."""

    text = AsTyped(error_messages={"required": EMPTY})


LIMITS = {"note": notes.LENGTH, "offer": transfers.LONGEST}
