"""Takes a page of a real browser, leaves its WebSockets in a test's hand: to pull the plug, and to put it back."""

from playwright.sync_api import Page, WebSocketRoute


class Line:
    """The page's WebSockets, with a hand on the plug."""

    def __init__(self, page: Page) -> None:
        self.up = True
        self.open: list[WebSocketRoute] = []
        page.route_web_socket("**/ws/**", self.plugged)

    def plugged(self, socket: WebSocketRoute) -> None:
        if self.up:
            socket.connect_to_server()
            self.open.append(socket)
        else:
            socket.close(code=1012)

    def pull(self) -> None:
        self.up = False
        while self.open:
            self.open.pop().close(code=1012)
