"""Takes a signed-in customer, leaves their own conversations: the list, one chat, one survey."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import customers
from accounts.models import Customer, User
from conversations import chat as stage
from conversations import refusals, surveys
from conversations.errors import NotFound
from conversations.forms.customer import RevokeForm, SurveyForm
from conversations.models import Case, Mention, Message, Survey
from conversations.permissions import case_of_customer, customer_of
from conversations.views.pages import page

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
    """The secure chat. The page itself only reads: joining and writing happen over the socket.

    A customer at an address that is not theirs got it from somewhere: the trail keeps that.
    """
    try:
        case, customer = case_of_customer(request.user, case_id)
    except NotFound:
        user = request.user if isinstance(request.user, User) else None
        refusals.note("changed_id", refusals.visitor(request), user=user)
        raise
    since = 0 if "all" in request.GET else max(0, case.last_seq - RECENT)
    context = {
        "case": case,
        "customer": customer,
        "posts": case.mentions.filter(kind=Mention.Kind.POST, state=Mention.State.CASED).order_by("posted_at"),
        "handle": customer.handles.filter(external_id=case.author.external_id, network=case.author.network).first(),
        "chat_messages": stage.messages_after(case, since, limit=case.last_seq - since),
        "earlier": since,
        "survey": surveys.open_for(case),
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
    last = Message.objects.filter(case=OuterRef("pk")).order_by("-seq")
    asked = Survey.objects.filter(case=OuterRef("pk"), state=Survey.State.OFFERED)
    return (
        customer.cases.select_related("agent", "brand", "author")
        .annotate(
            last_text=Subquery(last.values("text")[:1]),
            last_side=Subquery(last.values("side")[:1]),
            last_agent=Subquery(last.values("agent__name")[:1]),
            survey_id=Subquery(asked.values("public_id")[:1]),
        )
        .order_by("-changed_at", "-pk")
    )
