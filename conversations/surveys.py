"""Takes what a customer says about a resolved case, leaves the Survey ANSWERED, or EXPIRED after two weeks."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Customer
from citisocial.clock import now
from conversations import audit, events
from conversations.errors import BadText, NotFound, SurveyOver
from conversations.masking import mask
from conversations.models import Case, Survey

DAYS = timedelta(days=14)
COMMENT = 1000
SCALE = range(1, 6)


def offered(public_id: UUID, customer: Customer) -> Survey:
    """The survey if it is this customer's; SurveyOver when it was answered or is too old."""
    surveys = Survey.objects.select_related("case__brand", "agent").filter(public_id=public_id, case__customer=customer)
    survey = surveys.first()
    if survey is None:
        raise NotFound
    if survey.state != Survey.State.OFFERED:
        raise SurveyOver
    return survey


def open_for(case: Case) -> Survey | None:
    """The survey that waits for an answer, if any."""
    return Survey.objects.filter(case=case, state=Survey.State.OFFERED).first()


def answer(
    survey: Survey, customer: Customer, *, csat: int, solved: bool, effort: int | None = None, comment: str = ""
) -> Survey:
    """Keep the answer, once: csat and effort 1 to 5. SurveyOver when another tab was faster."""
    if survey.case.customer_id != customer.pk:
        raise NotFound
    if csat not in SCALE or (effort is not None and effort not in SCALE):
        raise BadText(_("Choose a number from 1 to 5."))
    if len(comment) > COMMENT:
        raise BadText(_("%(limit)d characters at most: shorten your comment.") % {"limit": COMMENT})
    said = {"csat": csat, "solved": solved, "effort": effort, "comment": mask(comment.strip()).text}
    with transaction.atomic():
        waiting = Survey.objects.filter(pk=survey.pk, state=Survey.State.OFFERED)
        if not waiting.update(state=Survey.State.ANSWERED, answered_at=now(), **said):
            raise SurveyOver
        audit.record("surveyed", case=survey.case, user=customer.user, actor="customer", data={"csat": csat})
        events.poke_case(survey.case_id, "surveyed")
    survey.refresh_from_db()
    return survey


def expire() -> int:
    """Surveys that nobody answered in two weeks are over. Returns how many."""
    old = Survey.objects.filter(state=Survey.State.OFFERED, offered_at__lt=now() - DAYS)
    return old.update(state=Survey.State.EXPIRED)
