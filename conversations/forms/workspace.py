"""Takes what an agent's page sends, leaves checked values; and says which audiences a case is open to now."""

from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Agent
from conversations.eligibility import Eligibility
from conversations.errors import BadText
from conversations.models import Brand, Case, ReplyTemplate

# The longest that any network takes; each audience's own limit is checked by the domain, which knows it.
LONGEST = 10_000
EMPTY = gettext_lazy("Write something first.")


class AsTyped(forms.CharField):
    """A text as it stands in its field, so that places in it are right: a form sends each line break as two signs."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, max_length=LONGEST * 2, **kwargs)

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n")


class MessageForm(forms.Form):
    """A text to one audience, perhaps started from one of the brand's templates."""

    text = AsTyped(error_messages={"required": EMPTY})
    template = forms.ModelChoiceField(queryset=ReplyTemplate.objects.none(), required=False)

    def __init__(self, *args: Any, brand: Brand, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["template"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = brand.templates.all()


class SayForm(MessageForm):
    """A chat message; `client_id` makes pressing twice harmless."""

    client_id = forms.UUIDField()


class ReplyForm(MessageForm):
    """A public reply, with a button under it that opens a message to us."""

    message_button = forms.BooleanField(required=False)


class MeasureForm(forms.Form):
    """A text that is being written, to be counted as its network counts."""

    text = AsTyped(required=False)
    kind = forms.ChoiceField(choices=[("dm", "dm"), ("reply", "reply")])


class AvailabilityForm(forms.Form):
    """What an agent sets themselves to."""

    state = forms.ChoiceField(choices=Agent.Availability.choices)


def checked(form: forms.Form) -> dict[str, Any]:
    """The form's values, or BadText with its first sentence."""
    if not form.is_valid():
        raise BadText(next(str(error) for errors in form.errors.values() for error in errors))
    return form.cleaned_data


@dataclass(frozen=True, slots=True)
class Audience:
    """One way to write to the person. `why` says why it is closed; `readers` who reads what goes there."""

    value: str
    icon: str
    open: bool
    why: str
    readers: str
    limit: int
    chosen: bool = False


def audiences(case: Case, may: Eligibility, *, stopped: bool, wish: str = "") -> list[Audience]:
    """Secure chat, direct message, public reply, in this order; `wish` is chosen if it is open, else the first open."""
    handle = case.author.handle
    name = case.customer.name.split(" ")[0] if case.customer else f"@{handle}"
    held = _("Sending is stopped. Secure chat goes on.") if stopped else ""
    rows = [
        Audience(
            value="secure",
            icon="lock",
            open=case.customer_id is not None,
            why=_("Opens when both proofs are there: bank sign-in and handle."),
            readers=_("Only %(name)s reads this, on the bank’s own site") % {"name": name},
            limit=settings.MESSAGE_LENGTH,
        ),
        Audience(
            value="dm",
            icon="envelope",
            open=may.dm.ok and not held,
            why=held or may.dm.why,
            readers=_("To @%(handle)s on X. No account details here: X is not the bank") % {"handle": handle},
            limit=LONGEST,
        ),
        Audience(
            value="public",
            icon="megaphone",
            open=may.reply.ok and not held,
            why=held or may.reply.why,
            readers=_("Everyone on X can read this"),
            limit=280,
        ),
    ]
    usable = [row.value for row in rows if row.open]
    chosen = wish if wish in usable else next(iter(usable), "")
    return [replace(row, chosen=row.value == chosen) for row in rows]
