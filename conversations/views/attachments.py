"""Takes a file of a customer's or an agent's, leaves it in the chat; and gives a file back to those who may read it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Agent, Customer
from conversations import attachments, permissions
from conversations.forms.attachments import FileForm
from conversations.forms.workspace import checked
from conversations.models import Attachment, Case
from conversations.views import workspace
from conversations.views.answers import answering, done
from conversations.views.pages import own_case, page, refused

CHUNK = 65536
# What a browser may do with a file that it shows by itself: nothing.
CONFINED = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


@require_POST
@page
@answering(again=refused)
def of_customer(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """A customer sends a file."""
    case, customer = own_case(request, case_id)
    return _sent(request, case, customer, resolve_url("chat", case_id=case_id))


@require_POST
@answering(again=workspace.again)
def of_agent(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """The case's own agent sends a file."""
    case, agent = permissions.case_of_agent(request.user, case_id)
    return _sent(request, case, agent, resolve_url("case", case_id=case_id))


def _sent(request: HttpRequest, case: Case, author: Agent | Customer, to: str) -> HttpResponse:
    message = attachments.send(case, author=author, **checked(FileForm(request.POST, request.FILES)))
    return done(request, to, seq=message.seq)


@require_safe
@page
@login_required
def file(request: HttpRequest, file_id: UUID) -> HttpResponseBase:
    """One file: a picture that we made is shown, a PDF, which we have not looked into, only downloaded."""
    attachment = permissions.file_of(request.user, file_id)
    path = attachments.located(attachment)
    # The servers read asynchronously; a synchronous stream they would collect in memory first.
    chunks = _read_asynchronously(path) if isinstance(request, ASGIRequest) else _read(path)
    response = StreamingHttpResponse(chunks, content_type=attachment.content_type, headers=CONFINED)
    download = attachment.kind != Attachment.Kind.IMAGE
    response["Content-Disposition"] = content_disposition_header(download, attachment.name) or "attachment"
    response["Content-Length"] = str(attachment.size)
    return response


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


async def _read_asynchronously(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
