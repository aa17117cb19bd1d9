# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Tables as CSV files that spreadsheets open as they are, sent as they are read."""

import csv
import io
from collections.abc import Callable, Iterable
from decimal import Decimal

from odoo import api
from odoo.http import Response, content_disposition, request

#: Spreadsheets take a file that begins so as UTF-8.
BOM = "\ufeff"
#: What a spreadsheet takes as the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Rows sent at once.
_ROWS = 500


def guard(value: object) -> str:
    """Return a cell that is text and nothing else.

    :param value: numbers keep their sign; text that a spreadsheet would calculate gets
        an apostrophe before it
    """
    if isinstance(value, int | Decimal):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def write_csv(rows: Iterable[list]) -> Iterable[bytes]:
    """Yield a table as CSV in UTF-8, some rows at a time.

    :param rows: the heading first
    """
    buffer = io.StringIO()
    buffer.write(BOM)
    writer = csv.writer(buffer)
    for number, row in enumerate(rows, 1):
        writer.writerow([guard(value) for value in row])
        if number % _ROWS == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def stream_csv(name: str, make_rows: Callable[[api.Environment], Iterable[list]]):
    """Answer a table, read while it is sent: it may be larger than memory.

    :param name: file name without its ending
    :param make_rows: called with an environment of its own, since that of the request
        ends before; it has to hold whatever right was checked before
    :return: response
    """
    env = request.env

    def generate():
        with env.registry.cursor() as cr:
            own = api.Environment(cr, env.uid, dict(env.context))
            yield from write_csv(make_rows(own))

    headers = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": content_disposition(f"{name}.csv"),
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(generate(), headers=headers, direct_passthrough=True)
