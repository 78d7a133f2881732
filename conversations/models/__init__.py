"""The rows in which the stages of the walk meet. What must always hold stands here as constraints."""

from conversations.models.brand import Brand, BrandAccount, Cursor, ListeningRule, ReplyTemplate
from conversations.models.case import Case
from conversations.models.listening import Budget, Charge, ComplianceJob, PushedEvent, Usage
from conversations.models.mention import Author, Mention, Naming
from conversations.models.message import Message
from conversations.models.outgoing import Binding, Invitation, Mismatch, Outgoing
from conversations.models.sending import Alarm, Approval, ApprovalRule, SendingStop
from conversations.models.survey import Survey
from conversations.models.trail import AuditEvent, AuditSeal

__all__ = [
    "Alarm",
    "Approval",
    "ApprovalRule",
    "AuditEvent",
    "AuditSeal",
    "Author",
    "Binding",
    "Brand",
    "BrandAccount",
    "Budget",
    "Case",
    "Charge",
    "ComplianceJob",
    "Cursor",
    "Invitation",
    "ListeningRule",
    "Mention",
    "Message",
    "Mismatch",
    "Naming",
    "Outgoing",
    "PushedEvent",
    "ReplyTemplate",
    "SendingStop",
    "Survey",
    "Usage",
]
