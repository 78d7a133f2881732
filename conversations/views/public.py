"""Takes anybody, leaves what is public: the first page, and how to tell whether a message is ours."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts import customers
from conversations.forms.customer import CodeForm
from conversations.models import BrandAccount
from conversations.views.pages import page


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
    """Our handles and addresses; a code typed by hand leads where its link would have led. Changes nothing."""
    form = CodeForm(request.POST or None)
    if form.is_valid():
        return redirect("welcome", slug=form.cleaned_data["code"])
    accounts = BrandAccount.objects.filter(active=True).order_by("purpose", "handle")
    context = {"form": form, "accounts": accounts, "link_address": settings.LINK_URL}
    return render(request, "customer/really_us.html", context, status=422 if form.is_bound else 200)
