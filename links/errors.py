"""What may be wrong with a short link."""


class LinkError(Exception):
    """Something stands against a link; the text is a sentence for the reader."""

    code = "link_error"
    http_status = 409


class DeadLink(LinkError):
    """Malformed, unknown, expired or revoked: told apart nowhere, so that nobody learns which links exist."""

    code = "dead_link"
    http_status = 404

    def __init__(self) -> None:
        super().__init__("This link does not open anything any more.")


class KeyChanged(LinkError):
    """The row was made under another LINK_KEY, so the slug that would be sent now could not be found."""

    code = "link_key_changed"

    def __init__(self) -> None:
        super().__init__("This link was made with another LINK_KEY. Make a new link, or put the key back.")
