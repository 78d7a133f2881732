"""Whoever guesses links knows how they are made, and what is compared by time is compared rightly."""

import random
import socketserver
import threading

import pytest

from links import codes
from rehearsal import clicking, timing
from rehearsal.loading import Load, request, run


def test_a_guess_looks_like_a_link():
    assert all(codes.is_well_formed(clicking.guessed()) for _ in range(200))


@pytest.mark.parametrize(("shift", "alike"), [(0.0, True), (0.5, False)])
def test_a_difference_is_told_from_none(shift, alike):
    chance = random.Random(3)
    one = [chance.gauss(10, 2) for _ in range(2000)]
    other = [chance.gauss(10 + shift, 2) for _ in range(2000)]
    assert (timing.welch(one, other) > 0.01) is alike


class Moody(socketserver.StreamRequestHandler):
    """404 with a body, 302, 404, …; hangs up once, in the middle of an answer."""

    left = 21

    def handle(self) -> None:
        while self.rfile.readline():
            while self.rfile.readline().strip():
                pass
            Moody.left -= 1
            if not Moody.left:
                self.wfile.write(b"HTTP/1.1 302 Found\r\nContent-Le")
                return
            body = b"not here" if Moody.left % 2 else b""
            head = b"HTTP/1.1 404 No\r\n" if body else b"HTTP/1.1 302 Found\r\n"
            self.wfile.write(head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))


@pytest.mark.parametrize(("at_once", "cut"), [(1, 1), (7, 1)])
def test_answers_are_counted_to_the_one_that_was_cut_off(at_once, cut, monkeypatch):
    monkeypatch.setattr(Moody, "left", 21)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Moody) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        load = run(Load(url, iter([request(url)] * 28), connections=1, at_once=at_once))
        server.shutdown()
    assert load.cut == cut
    assert load.answered == {404: 14, 302: 13}
