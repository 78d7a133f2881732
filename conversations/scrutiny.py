"""Takes a text that was pressed, leaves why somebody else must read it first: the only writer of `Approval`.

WAITING → APPROVED | REFUSED, both by somebody who did not write it (the database insists as well) | WITHDRAWN.
"""

from datetime import timedelta

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from citisocial.clock import now
from conversations import audit
from conversations.errors import NotAllowed, TooLate
from conversations.masking import mask
from conversations.models import Approval, ApprovalRule, Case, Outgoing, ReplyTemplate

Kind = ApprovalRule.Kind
Verdict = Approval.Verdict

DAYS = timedelta(days=30)  # in which recipients of one text are counted

# Why a text waits, as agents and supervisors read it.
WORDS = {
    Kind.NEW_AGENT: gettext_lazy("one of this agent’s first messages"),
    Kind.NEW_TEMPLATE: gettext_lazy("a new template"),
    Kind.MANY_RECIPIENTS: gettext_lazy("many people got this text within 30 days"),
    Kind.MANY_FOLLOWERS: gettext_lazy("first contact with somebody of many followers"),
}

# The words of a text and nothing that differs from one recipient to the next: {0} is a text, {1} and {2} are names.
WORDS_OF = (
    r"' ' || trim(regexp_replace(lower(regexp_replace({0}, '\{{\w+\}}|@\w+|\d+', ' ', 'g')),"
    r" '[[:space:][:punct:]]+', ' ', 'g')) || ' '"
)
BARE = f"replace(replace({WORDS_OF}, {WORDS_OF.replace('0', '1')}, ' '), {WORDS_OF.replace('0', '2')}, ' ')"
# How many other people have got the same text or are about to; counting stops at the threshold.
RECIPIENTS = f"""
SELECT count(*) FROM (
  SELECT DISTINCT o.recipient_id
  FROM conversations_outgoing o
  JOIN conversations_author a ON a.id = o.recipient_id
  LEFT JOIN accounts_agent g ON g.user_id = o.pressed_by_id
  WHERE o.account_id IN (SELECT id FROM conversations_brandaccount WHERE brand_id = %(brand)s)
    AND o.kind = %(kind)s
    AND (o.claimed_at >= %(since)s OR o.claimed_at IS NULL)
    AND o.delivery NOT IN ('FAILED', 'CANCELLED')
    AND o.recipient_id != %(recipient)s
    AND (
      o.template_id = %(template)s
      OR {BARE.format("o.text", "split_part(a.name, ' ', 1)", "coalesce(g.name, '')")}
       = {BARE.format("%(text)s", "%(first_name)s", "%(agent)s")}
    )
  LIMIT %(threshold)s
) AS others
"""


def reasons(case: Case, user: User, text: str, template: ReplyTemplate | None, kind: str) -> list[str]:
    """The kinds of the brand's active rules that hold for this text now; none: it may leave by itself.

    At most six queries, one is the clock's. Call it in the transaction that stores the text: whoever else presses
    send for this brand waits until then, so that two texts at one moment are counted one after the other.
    """
    rules = ApprovalRule.objects.select_for_update().filter(brand=case.brand_id, active=True)
    return [rule.kind for rule in rules.order_by("pk") if _holds(rule, case, user, text, template, kind)]


def _holds(rule: ApprovalRule, case: Case, user: User, text: str, template: ReplyTemplate | None, kind: str) -> bool:
    sent = Outgoing.objects.filter(delivery=Outgoing.Delivery.SENT)
    if rule.kind == Kind.NEW_AGENT:
        return sent.filter(pressed_by=user)[: rule.threshold].count() < rule.threshold
    if rule.kind == Kind.NEW_TEMPLATE:
        # What was sent, and not `uses`: that counts presses, so refused texts would make a template an old one.
        return template is not None and sent.filter(template=template)[: rule.threshold].count() < rule.threshold
    if rule.kind == Kind.MANY_RECIPIENTS:
        return _recipients(case, user, text, template, kind, rule.threshold) >= rule.threshold
    followers = case.author.followers
    if followers is None or followers < rule.threshold:
        return False
    return not sent.filter(recipient=case.author_id, account__brand=case.brand_id).exists()


def _recipients(case: Case, user: User, text: str, template: ReplyTemplate | None, kind: str, most: int) -> int:
    """How many other people got the same text in the last 30 days or are about to, counted up to `most`.

    The same text is: one from the same template, whatever was made of it, or one with the same words in the same
    order once placeholders, handles, numbers, the recipient's first name and the agent's are taken out. Capitals,
    punctuation and spaces make no difference. Direct messages and public replies are counted apart.
    """
    agent = getattr(user, "agent", None)
    values = {
        "brand": case.brand_id,
        "kind": kind,
        "since": now() - DAYS,
        "recipient": case.author_id,
        "template": template.pk if template else None,
        "text": text,
        "first_name": case.author.name.split(" ")[0],
        "agent": agent.name if agent else "",
        "threshold": most,
    }
    with connection.cursor() as sql:
        sql.execute(RECIPIENTS, values)
        return int(sql.fetchone()[0])


def ask(outgoing: Outgoing, reasons: list[str]) -> Approval:
    """Put a text that was stored AWAITING_APPROVAL into the queue, in the same transaction."""
    approval = Approval.objects.create(
        outgoing=outgoing,
        case=outgoing.case,
        reasons=reasons,
        asked_by=outgoing.pressed_by,
        asked_at=now(),
        text_asked=outgoing.text,
    )
    data = {"outgoing": outgoing.pk, "reasons": [str(reason) for reason in reasons]}
    audit.record("approval_asked", case=outgoing.case, user=outgoing.pressed_by, actor="agent", data=data)
    return approval


def decide(approval: Approval, verdict: str, *, by: User, note: str = "") -> None:
    """APPROVED or REFUSED by somebody else than who wrote it; NotAllowed for them, TooLate when it was decided.

    Call it in the transaction that moved the outgoing text, and after that: both are locked in one order everywhere.
    """
    columns = {"verdict": verdict, "decided_by": by, "decided_at": now(), "note": mask(note.strip()).text[:500]}
    try:
        with transaction.atomic():
            if not Approval.objects.filter(pk=approval.pk, verdict=Verdict.WAITING).update(**columns):
                raise TooLate(decided())
            for name, value in columns.items():
                setattr(approval, name, value)
            data = {"outgoing": approval.outgoing_id, "edited": approval.outgoing.text != approval.text_asked}
            verb = "approved" if verdict == Verdict.APPROVED else "approval_refused"
            audit.record(verb, case=approval.case, user=by, actor="supervisor", data=data)
    except IntegrityError as error:
        if "approval_by_another" not in str(error):
            raise
        raise NotAllowed(own_text()) from None


def in_words(approval: Approval) -> str:
    """Why it waits, in one line."""
    return "; ".join(str(WORDS[Kind(reason)]) for reason in approval.reasons)


def name_of(user: User) -> str:
    """An agent by the name that customers know, anybody else by their full name."""
    agent = getattr(user, "agent", None)
    return agent.name if agent else user.get_full_name() or user.get_username()


def own_text() -> str:
    """What the writer of a text is told who wants to decide about it."""
    return _("You wrote this text yourself. Somebody else has to read it before it leaves.")


def decided() -> str:
    """What somebody is told who comes too late."""
    return _("Somebody has decided about this text already, or it was taken back.")


def settle() -> int:
    """What no longer waits, because it was taken back or ran out of time, is WITHDRAWN. Returns how many."""
    moved_on = Outgoing.objects.filter(approval__verdict=Verdict.WAITING).exclude(
        delivery=Outgoing.Delivery.AWAITING_APPROVAL
    )
    return Approval.objects.filter(verdict=Verdict.WAITING, outgoing__in=moved_on).update(
        verdict=Verdict.WITHDRAWN, decided_at=now()
    )
