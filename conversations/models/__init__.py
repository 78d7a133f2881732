"""The rows in which the stages of the walk meet. What must always hold stands here as constraints."""

from conversations.models.brand import Brand, BrandAccount, Cursor, ListeningRule, ReplyTemplate
from conversations.models.case import AuditEvent, Case
from conversations.models.listening import Budget, Charge, ComplianceJob, PushedEvent, Usage
from conversations.models.mention import Author, Mention, Naming
from conversations.models.message import Message
from conversations.models.outgoing import Invitation, Mismatch, Outgoing, SendingStop
from conversations.models.survey import Survey

__all__ = [
    "AuditEvent",
    "Author",
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
