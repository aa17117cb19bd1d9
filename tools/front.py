# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Odoo with worker processes behind one port.

With workers, Odoo serves pages on one port and live messages on another, and expects
a proxy in front. This is the smallest one: it starts Odoo, looks at the first request
of each connection, and passes bytes on. For demo and tests; the internet needs a
proxy with TLS.

The program that makes PDF files asks the server for their styles while a worker waits
for it. When every worker waits, nobody is left to answer: the process of live messages
does, it never makes PDF files.

    python -m tools.front CONFIG --port 8069
"""

from __future__ import annotations

import argparse
import asyncio
import configparser
import contextlib
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

SERVER = str(Path(__file__).with_name("odoo_server.py"))
LOCAL_HOST = "127.0.0.1"
LARGEST_HEAD = 64 * 1024
CHUNK = 256 * 1024
LINGER = 5.0  # seconds
PRINTING = re.compile(rb"\r\nuser-agent:[^\r]*wkhtmlto")
BAD_GATEWAY = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


@dataclass(frozen=True)
class Ports:
    """Where Odoo listens.

    :param int http: pages
    :param int evented: live messages, and what PDF files are made of
    """

    http: int
    evented: int

    def choose(self, head: bytes) -> int:
        """Return the port for a connection that begins with this head."""
        line, _end, fields = head.partition(b"\r\n")
        path = line.split(b" ")[1:2]
        live = path and path[0].split(b"?")[0] == b"/websocket"
        fields = b"\r\n" + fields.lower()
        upgrade = b"\r\nupgrade: websocket" in fields
        printing = PRINTING.search(fields)
        return self.evented if live or upgrade or printing else self.http


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side is done or gone, then tell the other."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()


async def discard(reader: asyncio.StreamReader) -> None:
    """Read what a client still sends after its answer, so that it gets the answer.

    Closing with unread bytes would reset the connection, answer included.
    """

    async def read_on() -> None:
        while await reader.read(CHUNK):
            pass

    with contextlib.suppress(OSError, asyncio.TimeoutError):
        await asyncio.wait_for(read_on(), LINGER)


class Front:
    """The listening side.

    :param Ports ports: where Odoo listens
    """

    def __init__(self, ports: Ports) -> None:
        self.ports = ports

    async def handle(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await self._connect(head, reader, writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # not a request
        except asyncio.CancelledError:
            pass  # we are ending
        except OSError:
            with contextlib.suppress(OSError):
                writer.write(BAD_GATEWAY)
                await writer.drain()
        finally:
            writer.close()

    async def _connect(
        self,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        port = self.ports.choose(head)
        back_reader, back_writer = await asyncio.open_connection(LOCAL_HOST, port)
        try:
            back_writer.write(head)
            sending = asyncio.ensure_future(pump(reader, back_writer))
            await pump(back_reader, writer)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await discard(reader)
        finally:
            back_writer.close()


async def serve(config: str, host: str, port: int) -> int:
    """Run Odoo and the front until Odoo ends.

    :return: Odoo's exit status
    """
    parser = configparser.RawConfigParser()
    parser.read(config)
    options = parser["options"]
    ports = Ports(int(options["http_port"]), int(options["gevent_port"]))
    front = Front(ports)
    listening = await asyncio.start_server(
        front.handle, host, port, limit=LARGEST_HEAD, backlog=256
    )
    odoo = await asyncio.create_subprocess_exec(
        sys.executable, SERVER, "server", "-c", config
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _pass_on, odoo)
    status = await odoo.wait()
    listening.close()
    return status


def _pass_on(odoo: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        odoo.terminate()


def main() -> int:
    """Read the command line, and serve."""
    parser = argparse.ArgumentParser(prog="front", description=__doc__)
    parser.add_argument("config", help="Odoo's configuration, with both its ports")
    parser.add_argument("--host", default=LOCAL_HOST)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    return asyncio.run(serve(options.config, options.host, options.port))


if __name__ == "__main__":
    sys.exit(main())
