"""Takes a signed-in customer, leaves their own conversations: the list, one chat, one survey."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import customers
from accounts.models import Customer
from citisocial.clock import now
from conversations import attachments, details, marks, spoken, stepups, surveys
from conversations.errors import NotFound
from conversations.forms.customer import RevokeForm, SurveyForm
from conversations.models import Case, Mention, Message, Survey
from conversations.permissions import customer_of
from conversations.views import callbacks, waiting
from conversations.views.pages import own_case, page

# The page shows this many messages at first; the rest is one link away.
RECENT = 200


@require_http_methods(["GET", "HEAD", "POST"])
@page
@login_required
def my(request: HttpRequest) -> HttpResponse:
    """The customer's conversations, most recent first, and the handles they confirmed; POST takes one back."""
    customer = customer_of(request.user)
    held = customer.handles.filter(revoked_at=None)
    if request.method == "POST":
        form = RevokeForm(request.POST, handles=held)
        if not form.is_valid():
            raise NotFound(_("This account is not confirmed any more."))
        customers.revoke_handle(form.cleaned_data["handle"], by=customer.user)
        messages.success(request, _("Taken back. We ask you at X again before the next chat."))
        return redirect("my")
    return render(request, "customer/my.html", {"cases": _conversations(customer), "handles": held})


@require_http_methods(["GET", "HEAD"])
@page
@login_required
def chat(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """The secure chat. The page itself only reads: joining and writing happen over the socket."""
    case, customer = own_case(request, case_id)
    since, at = 0 if "all" in request.GET else max(0, case.last_seq - RECENT), now()
    context = {
        "case": case,
        "customer": customer,
        "posts": case.mentions.filter(kind=Mention.Kind.POST, state=Mention.State.CASED).order_by("posted_at"),
        "handle": customer.handles.filter(external_id=case.author.external_id, network=case.author.network).first(),
        "at": at,
        "chat_messages": spoken.shown(case, reader="customer", after=since),
        "line_sentences": spoken.sentences("customer"),
        "line_links": spoken.link_words("customer"),
        "far": marks.of(case.pk).get("agent", (0, 0)),
        "edit_minutes": settings.MESSAGE_EDIT_MINUTES,
        "earlier": since,
        "survey": surveys.open_for(case),
        "details_asked": details.waiting(case, at),
        "check_asked": stepups.open_for(case, at),
        **callbacks.panel(case, at),
        **waiting.panel(case),
        "attach": attachments.rules(),
        "length": settings.MESSAGE_LENGTH,
        "reopen_days": settings.RESOLVED_DAYS,
    }
    return render(request, "customer/chat.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page
@login_required
def survey(request: HttpRequest, survey_id: UUID) -> HttpResponse:
    """Four questions, asked once; the answer is thanked for."""
    customer = customer_of(request.user)
    asked = surveys.offered(survey_id, customer)
    form = SurveyForm(request.POST or None)
    if not form.is_valid():
        return render(
            request, "customer/survey.html", {"form": form, "survey": asked}, status=422 if form.is_bound else 200
        )
    surveys.answer(asked, customer, **form.cleaned_data)
    return render(request, "customer/thanks.html", {"survey": asked})


def _conversations(customer: Customer) -> QuerySet[Case]:
    """With the last message, and the survey that waits: one query whatever their number."""
    changes = Message.objects.filter(case=OuterRef("case"), about=OuterRef("seq")).order_by("-seq")
    last = Message.objects.filter(case=OuterRef("pk"), kind__in=spoken.MESSAGES).order_by("-seq")
    last = last.exclude(Exists(changes.filter(kind=Message.Kind.REMOVED)))
    edited = Subquery(changes.filter(kind=Message.Kind.EDITED).values("text")[:1])
    last = last.annotate(says=Coalesce(edited, "text"))
    asked = Survey.objects.filter(case=OuterRef("pk"), state=Survey.State.OFFERED)
    return (
        customer.cases.select_related("agent", "brand", "author")
        .annotate(
            last_text=Subquery(last.values("says")[:1]),
            last_side=Subquery(last.values("side")[:1]),
            last_agent=Subquery(last.values("agent__name")[:1]),
            survey_id=Subquery(asked.values("public_id")[:1]),
        )
        .order_by("-changed_at", "-pk")
    )
