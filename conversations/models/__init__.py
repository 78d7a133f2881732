"""The rows in which the stages of the walk meet. What must always hold stands here as constraints."""

from conversations.models.brand import Brand, BrandAccount, Cursor, ListeningRule, ReplyTemplate
from conversations.models.case import Case
from conversations.models.chatting import (
    Attachment,
    Callback,
    EmailNotice,
    OpeningHours,
    SecureRequest,
    SocketTicket,
    Transfer,
)
from conversations.models.listening import Budget, Charge, ComplianceJob, PushedEvent, Usage
from conversations.models.mention import Author, Mention, Naming
from conversations.models.message import Mark, Message, Note, Side
from conversations.models.outgoing import Binding, Invitation, Mismatch, Outgoing
from conversations.models.sending import Alarm, Approval, ApprovalRule, SendingStop
from conversations.models.survey import Survey
from conversations.models.trail import AuditEvent, AuditSeal

__all__ = [
    "Alarm",
    "Approval",
    "ApprovalRule",
    "Attachment",
    "AuditEvent",
    "AuditSeal",
    "Author",
    "Binding",
    "Brand",
    "BrandAccount",
    "Budget",
    "Callback",
    "Case",
    "Charge",
    "ComplianceJob",
    "Cursor",
    "EmailNotice",
    "Invitation",
    "ListeningRule",
    "Mark",
    "Mention",
    "Message",
    "Mismatch",
    "Naming",
    "Note",
    "OpeningHours",
    "Outgoing",
    "PushedEvent",
    "ReplyTemplate",
    "SecureRequest",
    "SendingStop",
    "Side",
    "SocketTicket",
    "Survey",
    "Transfer",
    "Usage",
]
