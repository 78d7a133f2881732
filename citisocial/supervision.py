"""Takes nothing, leaves the frame of the supervisors' admin: its menu, in the order of the walk, and its style sheets.

Its colours stand in conversations/admin.css: from settings unfold would write them into each page as a style element,
which the content policy refuses.
"""

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy
from django.utils.http import urlencode


def _menu(title: str, icon: str, name: str) -> dict[str, object]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}")}


def _and_back(request: HttpRequest) -> str:
    """Where the second factor is confirmed, and then the page that one came from."""
    return f"{reverse('mfa_reauthenticate')}?{urlencode({'next': request.get_full_path()})}"


UNFOLD = {
    "SITE_TITLE": "citisocial",
    "SITE_HEADER": "citisocial",
    "SITE_SYMBOL": "forum",
    "SITE_URL": "/workspace/",
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_HISTORY": False,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("citisocial/mark.svg")}],
    "STYLES": [lambda request: static("citisocial/tokens.css"), lambda request: static("conversations/admin.css")],
    "SCRIPTS": [lambda request: static("conversations/admin.js")],
    "GLOBAL_CALLBACK": "conversations.admin.dashboard.site_context",
    "DASHBOARD_CALLBACK": "conversations.admin.dashboard.show",
    "ACCOUNT": {
        "navigation": [
            {"title": "Confirm your second factor", "link": _and_back},
            {"title": "Passkeys and authenticator", "link": reverse_lazy("mfa_index")},
        ],
    },
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Care",
                "items": [
                    _menu("Today", "today", "index"),
                    _menu("Cases", "inbox", "conversations_case_changelist"),
                    _menu("Posts and messages", "campaign", "conversations_mention_changelist"),
                    _menu("Approvals", "how_to_reg", "conversations_approval_queue"),
                    _menu("Sending", "send", "conversations_sendingstop_sending"),
                    _menu("Outgoing", "outbox", "conversations_outgoing_changelist"),
                    _menu("Invitations", "mark_email_read", "conversations_invitation_changelist"),
                    _menu("Surveys", "star", "conversations_survey_changelist"),
                    _menu("Templates", "description", "conversations_replytemplate_changelist"),
                ],
            },
            {
                "title": "People",
                "items": [
                    _menu("Agents", "support_agent", "accounts_agent_changelist"),
                    _menu("Teams", "groups", "accounts_team_changelist"),
                    _menu("Customers", "person", "accounts_customer_changelist"),
                    _menu("Proven handles", "verified_user", "accounts_provenhandle_changelist"),
                    _menu("Authors", "alternate_email", "conversations_author_changelist"),
                    _menu("Logins", "key", "accounts_user_changelist"),
                ],
            },
            {
                "title": "Channels",
                "items": [
                    _menu("Channels", "cell_tower", "conversations_brandaccount_channels"),
                    _menu("Budget", "payments", "conversations_budget_changelist"),
                    _menu("Brand", "account_balance", "conversations_brand_changelist"),
                    _menu("Brand accounts", "badge", "conversations_brandaccount_changelist"),
                    _menu("Approval rules", "rule", "conversations_approvalrule_changelist"),
                    _menu("Listening rules", "filter_list", "conversations_listeningrule_changelist"),
                    _menu("Short links", "link", "links_shortlink_changelist"),
                ],
            },
            {
                "title": "Proof",
                "items": [
                    _menu("Alarms", "notification_important", "conversations_alarm_changelist"),
                    _menu("Audit trail", "history", "conversations_auditevent_changelist"),
                    _menu("Stops so far", "block", "conversations_sendingstop_changelist"),
                ],
            },
        ],
    },
}
