"""Takes a file that somebody sends in a chat, leaves it made anew on disk, as a line of the chat: the only writer of
Attachment.

Pictures are decoded and written again by a process of their own (`conversations.reencoding`); a PDF is never opened by
us, and only ever downloaded. On disk a file has a random name, below ATTACHMENTS. It is whole there before its row is
committed; what is not committed is taken away again.
"""

import hashlib
import logging
import os
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from io import BufferedRandom
from pathlib import Path
from typing import TypeAlias
from uuid import UUID, uuid4

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts.models import Agent, Customer, User
from citisocial.clock import now
from conversations import audit, cases, gate, ledger, reencoding
from conversations.errors import BadFile, NotFound, NotStored, TooManyFiles
from conversations.masking import mask
from conversations.models import Attachment, AuditEvent, Case, Message
from conversations.permissions import may_write
from conversations.reencoding import Made, NotMade

Upload: TypeAlias = "UploadedFile[bytes]"
log = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024
HOUR = timedelta(hours=1)
NAME = 120
ACCEPT = "image/png,image/jpeg,image/webp,image/gif,application/pdf"
INCOMING = "incoming"
REFUSED = "file_refused"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a page says and checks before anything is sent; `client_id` is of the next file, sent by its form."""

    accepted: str
    most: str
    accept: str
    bytes: int
    words: int
    client_id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is whole on disk; `path` is below ATTACHMENTS."""

    path: str
    size: int
    digest: bytes


class _SaidMeanwhile(Exception):
    """Another request with the same `client_id` was faster."""

    def __init__(self, message: Message) -> None:
        super().__init__()
        self.message = message


def rules() -> Rules:
    """As settings have them now."""
    hourly = _("At most %(n)d files an hour.") % {"n": settings.ATTACHMENTS_PER_HOUR}
    return Rules(accepted(), hourly, ACCEPT, settings.ATTACHMENT_MB * MEGABYTE, settings.MESSAGE_LENGTH)


def accepted() -> str:
    """The sentence that stands beside the button and ends every refusal."""
    return _(
        "We take pictures (PNG, JPEG, WebP, GIF; at most %(pixels)d megapixels; of a moving one its first picture) and "
        "PDF files, each of at most %(size)d MB."
    ) % {"pixels": settings.ATTACHMENT_MEGAPIXELS, "size": settings.ATTACHMENT_MB}


def send(case: Case, *, author: Agent | Customer, client_id: UUID, file: Upload, text: str = "") -> Message:
    """Store the file and say so in the chat. The same `client_id` again gives the message that is there already.

    1. Who may send, and how often. 2. What it is by its first bytes; a picture is made anew, outside any transaction.
    3. On disk under its own name. 4. Message, attachment and trail in one transaction; without it, no file.
    """
    if said := _said(case, client_id):
        return said
    words = mask(gate.said(text, is_agent=isinstance(author, Agent)) if text.strip("\x00 \r\n\t") else "")
    may_write(case, author)
    _not_too_many(case, author.user)
    kind = _kind(file)
    if not connection.in_atomic_block:
        connection.close()  # a picture takes its time, and others need the connection meanwhile
    try:
        with _incoming() as part:
            made = _made(case, author, file, part, kind)
            name = mask(display_name(file.name or "", made.kind))
            with _settled(part) as stored:
                attachment = _attachment(case, author, name.text[:NAME], made, stored)
                masked = len(words.found) + len(name.found)
                return _store(attachment, author, client_id, words.text or attachment.name, masked)
    except _SaidMeanwhile as found:
        return found.message


def located(attachment: Attachment) -> Path:
    """Where the file is that somebody may read (`permissions.file_of`); NotFound when the disk has lost it."""
    with suppress(OSError):
        path = _root() / attachment.path
        if path.stat().st_size == attachment.size:
            return path
    log.error("attachments: the file of attachment %d is not there as it was stored", attachment.pk)
    raise NotFound(_("This file cannot be found any more. Ask for it once more."))


def tidy(older: timedelta = HOUR) -> int:
    """Take away what a process that was killed left half-written; returns how many.

    No state hangs on it, and the disk's own clock wrote the times that are compared.
    """
    before, gone = time.time() - older.total_seconds(), 0
    with suppress(OSError):
        for path in (_root() / INCOMING).iterdir():
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
                gone += 1
    return gone


def display_name(name: str, kind: str) -> str:
    """What people read, and what a browser offers to save it as: never a path, and nothing that cannot be seen."""
    ending = reencoding.ENDINGS[kind]
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    seen = "".join(" " if char.isspace() else char for char in last)
    seen = " ".join("".join(char for char in seen if unicodedata.category(char)[0] != "C").split())
    stem = seen.rpartition(".")[0] if "." in seen else seen
    stem = stem.strip(" .")[: NAME - len(ending)].rstrip(" .")
    return (stem or (_("document") if kind == "PDF" else _("picture"))) + ending


# --- may it be sent ---------------------------------------------------------------------------------------------------


def _said(case: Case, client_id: UUID) -> Message | None:
    return Message.objects.filter(case=case, client_id=client_id).first()


def _not_too_many(case: Case, user: User) -> None:
    """Those that were refused after work count like those that were sent: the work is what is limited."""
    since, most = now() - HOUR, settings.ATTACHMENTS_PER_HOUR
    sent = Attachment.objects.filter(case=case, user=user, at__gt=since).count()
    refused = AuditEvent.objects.filter(case=case, user=user, verb=REFUSED, at__gt=since).count()
    if sent + refused >= most:
        raise TooManyFiles(_("These were %(n)d files in an hour. Wait a while, then send the next.") % {"n": most})


def _kind(file: Upload) -> reencoding.Kind:
    """By its first bytes; how it is named and what the browser says about it is not asked."""
    size = file.size or 0
    if not size:
        raise BadFile(_("This file is empty. %(accepted)s") % {"accepted": accepted()})
    if size > settings.ATTACHMENT_MB * MEGABYTE:
        words = {"size": -(-size // MEGABYTE), "accepted": accepted()}
        raise BadFile(_("This file has %(size)d MB, which is too much. %(accepted)s") % words)
    file.seek(0)
    kind = reencoding.kind_of(file.read(16))
    if kind is None:
        raise BadFile(_("Files of this kind cannot be sent. %(accepted)s") % {"accepted": accepted()})
    return kind


def _refusal(refused: NotMade) -> BadFile | NotStored:
    match refused.why:
        case "full":
            return NotStored()
        case "busy":
            return NotStored(_("Many pictures are being looked at just now. Send yours again in a minute."))
        case "pixels":
            why = _("This picture is too large, or becomes too large when it is unpacked.")
        case "slow":
            why = _("This picture takes too long to read. Send a smaller one, or a screenshot of it.")
        case "broken":
            why = _("This picture cannot be read; it may be damaged.")
    return BadFile(f"{why} {accepted()}")


# --- the file ---------------------------------------------------------------------------------------------------------


def _root() -> Path:
    if not settings.ATTACHMENTS:
        raise OSError(0, "ATTACHMENTS is not set")
    return Path(settings.ATTACHMENTS)


@contextmanager
def _disk() -> Iterator[None]:
    """What the disk refuses is a sentence for people and a line for who looks after it."""
    try:
        yield
    except OSError as error:
        log.error("attachments: a file could not be stored (%s)", error.strerror or type(error).__name__)
        raise NotStored from None


@contextmanager
def _incoming() -> Iterator[BufferedRandom]:
    """A new file that only we may read; at the end it is gone from where it was made, whatever happened."""
    with _disk():
        folder = _root() / INCOMING
        for made in (folder.parent, folder):
            made.mkdir(mode=0o700, exist_ok=True)
        part = open(folder / uuid4().hex, "x+b", opener=_private)  # noqa: SIM115 -- closed below
    try:
        with part:
            yield part
    finally:
        Path(part.name).unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _made(case: Case, author: Agent | Customer, file: Upload, part: BufferedRandom, kind: reencoding.Kind) -> Made:
    """`part` holds what is kept: a PDF as it came, a picture made anew. A picture that is refused is noted."""
    file.seek(0)
    if kind == "PDF":
        with _disk():
            shutil.copyfileobj(file, part)
        return Made(kind, 0, 0)
    with _disk(), tempfile.TemporaryFile(dir=_root() / INCOMING) as source:  # without a name: nothing to forget there
        shutil.copyfileobj(file, source)
        source.seek(0)
        pixels, size = settings.ATTACHMENT_MEGAPIXELS * 1_000_000, settings.ATTACHMENT_MB * MEGABYTE
        try:
            return reencoding.remade(source, part, kind=kind, pixels=pixels, size=size)
        except NotMade as refused:
            refusal = _refusal(refused)
            if isinstance(refusal, BadFile):
                data = {"kind": kind, "why": refused.why, "bytes": file.size}
                audit.record(REFUSED, case=case, user=author.user, actor=_actor(author), data=data)
            raise refusal from None


@contextmanager
def _settled(part: BufferedRandom) -> Iterator[Stored]:
    """The file under its own name, and safe there; taken away again when the block fails."""
    name = uuid4().hex
    path = _root() / name[:2] / name
    try:
        with _disk():
            part.flush()
            os.fsync(part.fileno())
            part.seek(0)
            digest = hashlib.file_digest(part, "sha256").digest()
            path.parent.mkdir(mode=0o700, exist_ok=True)
            os.rename(part.name, path)
            _sync(path.parent)
        yield Stored(f"{name[:2]}/{name}", os.fstat(part.fileno()).st_size, digest)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    """The new name outlives a power cut as well."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _attachment(case: Case, author: Agent | Customer, name: str, made: Made, stored: Stored) -> Attachment:
    return Attachment(
        case=case,
        user=author.user,
        kind=Attachment.Kind.PDF if made.kind == "PDF" else Attachment.Kind.IMAGE,
        name=name,
        content_type=reencoding.CONTENT_TYPES[made.kind],
        size=stored.size,
        width=made.width or None,
        height=made.height or None,
        digest=stored.digest,
        path=stored.path,
    )


# --- its row ----------------------------------------------------------------------------------------------------------


def _store(attachment: Attachment, author: Agent | Customer, client_id: UUID, text: str, masked: int) -> Message:
    """Asked again under the case's lock: meanwhile it may be closed, somebody else's, or the same file be there."""
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=attachment.case_id)
        if said := _said(case, client_id):
            raise _SaidMeanwhile(said)
        may_write(case, author)
        _not_too_many(case, author.user)
        message = ledger.append(
            case, kind=Message.Kind.FILE, author=author, text=text, client_id=client_id, masked=masked
        )
        attachment.message, attachment.at = message, message.sent_at
        attachment.save(force_insert=True)
        data = {"attachment": attachment.pk, "kind": attachment.kind, "bytes": attachment.size}
        audit.record("file_sent", case=case, user=author.user, actor=_actor(author), data=data)
        cases.spoken(case, author)
    return message


def _actor(author: Agent | Customer) -> str:
    return "agent" if isinstance(author, Agent) else "customer"
