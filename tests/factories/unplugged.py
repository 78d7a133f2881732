"""Takes a page of a real browser, leaves its WebSockets in a test's hand: to pull the plug, and to put it back."""

from playwright.sync_api import Page, WebSocketRoute


class Line:
    """The page's WebSockets, with a hand on the plug."""

    def __init__(self, page: Page) -> None:
        self.up = True
        self.open: list[tuple[WebSocketRoute, WebSocketRoute]] = []  # the page's end, the server's end
        page.route_web_socket("**/ws/**", self.plugged)

    def plugged(self, socket: WebSocketRoute) -> None:
        if self.up:
            self.open.append((socket, socket.connect_to_server()))
        else:
            socket.close(code=1012)

    def pull(self) -> None:
        """Both ends go: one person has only so many sockets."""
        self.up = False
        while self.open:
            ours, theirs = self.open.pop()
            ours.close(code=1012)
            theirs.close()
