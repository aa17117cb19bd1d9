# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The front that puts Odoo's two ports behind one."""

import asyncio

import pytest

from tools.front import Front, Ports

PAGES, LIVE = 1, 2


@pytest.mark.parametrize(
    "head, port",
    [
        (b"GET /web HTTP/1.1\r\nHost: x\r\n\r\n", PAGES),
        (b"GET /websocket/health HTTP/1.1\r\nHost: x\r\n\r\n", PAGES),
        (b"GET /websocket?version=19.0-1 HTTP/1.1\r\nHost: x\r\n\r\n", LIVE),
        (b"GET /other HTTP/1.1\r\nUpgrade: WebSocket\r\n\r\n", LIVE),
        (b"GET /web/a.css HTTP/1.1\r\nUser-Agent: X wkhtmltopdf Y\r\n\r\n", LIVE),
        (b"GET /web?q=wkhtmltopdf HTTP/1.1\r\nUser-Agent: X\r\n\r\n", PAGES),
        (b"\r\n\r\n", PAGES),
    ],
)
def test_chooses_by_the_first_request(head, port):
    assert Ports(PAGES, LIVE).choose(head) == port


class Played:
    """A front before a server of our own, both on free ports."""

    def __init__(self, answer):
        self.answer = answer

    async def __aenter__(self):
        self.back = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        port = self.back.sockets[0].getsockname()[1]
        front = Front(Ports(port, port))
        self.front = await asyncio.start_server(front.handle, "127.0.0.1", 0)
        self.port = self.front.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_details):
        self.front.close()
        self.back.close()

    async def talk(self, *parts):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 10)


def play(answer, *parts):
    async def scene():
        async with Played(answer) as played:
            return await played.talk(*parts)

    return asyncio.run(scene())


def test_passes_a_large_body_and_its_answer():
    async def echo_size(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(3_000_000)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n%d" % len(body))
        writer.close()

    said = play(echo_size, b"POST / HTTP/1.1\r\n\r\n", b"x" * 3_000_000)
    assert said.endswith(b"3000000")


def test_answer_arrives_though_the_body_was_refused():
    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\n\r\n")
        writer.write_eof()
        await asyncio.sleep(1)
        writer.transport.abort()

    said = play(refuse, b"POST / HTTP/1.1\r\n\r\n", b"x" * 2_000_000)
    assert said.startswith(b"HTTP/1.1 413")


def test_says_so_when_nothing_listens_behind():
    async def scene():
        async with Played(None) as played:
            played.back.close()
            await played.back.wait_closed()
            return await played.talk(b"GET / HTTP/1.1\r\n\r\n")

    assert asyncio.run(scene()).startswith(b"HTTP/1.1 502")
