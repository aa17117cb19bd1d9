# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What both dashboards share: title bands, pairs of charts, tables."""

from . import builder as b

#: Four columns to the left edge of the right chart, four below it.
COLUMNS = [230, 120, 110, 112, 137, 137, 137, 137]
WIDTH = sum(COLUMNS)
HEAD_HEIGHT, CHART_HEIGHT, CHART_WIDTH, ROW_HEIGHT = 40, 280, 548, 28


def section(book, board, row, pair):
    """Put one or two charts side by side under their titles.

    :param int row: row of the titles; the charts lie in the row below
    :param pair: (title, menu xml id, figure key, chart data) for each chart
    """
    board.rows[row] = HEAD_HEIGHT
    board.rows[row + 1] = CHART_HEIGHT + 14
    for index, (title, menu, key, data) in enumerate(pair):
        first = index * 4
        board.put(row, first, b.menu_link(title, menu), b.TITLE)
        board.band(row, first, first + 3, border=b.UNDERLINE)
        identifier = board.figure(
            f"chart.{key}",
            row + 1,
            index * (WIDTH - CHART_WIDTH),
            7,
            CHART_WIDTH,
            CHART_HEIGHT,
            data,
        )
        book.menus[identifier] = menu


def list_table(board, row, number, title, heads, count):
    """Show the first ``count`` records of a list; return the row after the table.

    :param str number: number of the list
    :param str title: text or link above the table
    :param heads: (field, English heading, number format or None) for each column
    """
    board.rows[row] = HEAD_HEIGHT
    board.put(row, 0, title, b.TITLE)
    board.band(row, 0, len(heads) - 1, border=b.UNDERLINE)
    board.rows[row + 1] = ROW_HEIGHT
    for col, (field, label, _format) in enumerate(heads):
        formula = f'=ODOO.LIST.HEADER({number},"{field}",_t("{label}"))'
        board.put(row + 1, col, formula, b.HEAD)
    for position in range(1, count + 1):
        at = row + 1 + position
        board.rows[at] = ROW_HEIGHT
        board.band(at, 0, len(heads) - 1, b.TEXT)
        for col, (field, _label, number_format) in enumerate(heads):
            board.put(
                at,
                col,
                f'=ODOO.LIST({number},{position},"{field}")',
                number_format=number_format,
            )
    return row + 2 + count


def colour_status(board, col, first, last):
    """Colour the status texts of a table, rows ``first`` to ``last``.

    The texts are compared as shown, so the colours are there in English only.
    """
    colours = {"Critical": "#B91C1C", "Warning": "#B45309", "On Target": "#15803D"}
    for text, colour in colours.items():
        board.conditional.append(
            {
                "id": b.uid(f"{board.key}.{first}.{text}"),
                "rule": {
                    "type": "CellIsRule",
                    "operator": "isEqual",
                    "values": [text],
                    "style": {"textColor": colour, "bold": True},
                },
                "ranges": [f"{b.column(col)}{first + 1}:{b.column(col)}{last + 1}"],
            }
        )
