"""Takes anybody, leaves what is public: the first page, and how to tell whether a message is ours."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import customers
from conversations import handoff, refusals
from conversations.errors import DeadInvitation, TooManyTries
from conversations.forms.customer import CodeForm
from conversations.models import BrandAccount
from conversations.views.pages import page
from links import shortener


@require_http_methods(["GET", "HEAD"])
@page
def home(request: HttpRequest) -> HttpResponse:
    """What this is; whoever is signed in finds the way to their own pages."""
    return render(
        request,
        "customer/home.html",
        {
            "customer": customers.customer_of(request.user),
            "agent": customers.agent_of(request.user),
            "care": BrandAccount.objects.filter(active=True, purpose=BrandAccount.Purpose.CARE).first(),
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page
def really_us(request: HttpRequest) -> HttpResponse:
    """Our handles and addresses; a code typed by hand leads where its link would have led.

    A wrong one is counted and says no more than that; after five in ten minutes it says how long to wait.
    """
    form = CodeForm(request.POST if request.method == "POST" else None)
    status, wait = 422 if form.is_bound else 200, 0
    if form.is_valid():
        if not request.session.session_key:
            request.session.create()  # tries are counted by session, too
        who = refusals.visitor(request)
        try:
            invitation = handoff.find_by_code(form.cleaned_data["code"], who)
            return redirect("welcome", slug=shortener.slug(invitation.link))
        except DeadInvitation:
            form.add_error("code", _("That is not a code of ours, or it is over. Compare it once more."))
        except TooManyTries as refusal:
            refusals.note(refusal.code, who)
            form.add_error("code", str(refusal))
            status, wait = refusal.http_status, refusal.seconds
    accounts = BrandAccount.objects.filter(active=True).order_by("purpose", "handle")
    answer = render(request, "customer/really_us.html", {"form": form, "accounts": accounts}, status=status)
    if wait:
        answer["Retry-After"] = str(wait)
    return answer
