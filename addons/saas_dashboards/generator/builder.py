# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Building blocks of a dashboard file, format ``18.5.10`` (Odoo 19).

Every id is derived from a readable key (uuid5), so the same description always
gives the same bytes, and a change of one figure changes a few lines of the file.
"""

import json
import uuid
from dataclasses import dataclass, field

VERSION = "18.5.10"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "saas_dashboards")

TITLE, LABEL, TEXT, HEAD, NOTE, STRONG = 1, 2, 3, 4, 5, 6
STYLES = {
    TITLE: {
        "textColor": "#01666B",
        "bold": True,
        "fontSize": 14,
        "verticalAlign": "middle",
    },
    LABEL: {"textColor": "#434343", "bold": True, "verticalAlign": "middle"},
    TEXT: {"textColor": "#434343", "verticalAlign": "middle", "align": "left"},
    HEAD: {
        "textColor": "#434343",
        "bold": True,
        "fillColor": "#F2F5F7",
        "verticalAlign": "middle",
    },
    NOTE: {"textColor": "#6B7280", "italic": True, "verticalAlign": "middle"},
    STRONG: {"bold": True, "fillColor": "#F2F2F2"},
}
UNDERLINE = 1
BORDERS = {
    UNDERLINE: {"bottom": {"style": "thin", "color": "#CCCCCC"}},
}
FORMATS = {
    1: "#,##0",
    2: "#,##0.00",
    3: "0.0%",
    4: "yyyy-mm-dd",
    5: "yyyy-mm-dd hh:mm",
}
FORMAT_IDS = {text: number for number, text in FORMATS.items()}
LOCALE = {
    "name": "English (US)",
    "code": "en_US",
    "thousandsSeparator": ",",
    "decimalSeparator": ".",
    "dateFormat": "mm/dd/yyyy",
    "timeFormat": "hh:mm:ss",
    "formulaArgSeparator": ",",
    "weekStart": 7,
}


def uid(key: str) -> str:
    """Return the stable id of a figure or a filter.

    :param str key: readable key, unique inside one dashboard file
    :return: uuid text; equal for equal keys, on every machine
    """
    return str(uuid.uuid5(NAMESPACE, key))


def column(index: int) -> str:
    """Return the letters of a column.

    :param int index: 0 for A, 25 for Z, 26 for AA
    :return: letters as in a cell name
    """
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def translated(text: str) -> str:
    """Return a formula that shows ``text`` in the reader's language."""
    return '=_t("%s")' % text.replace('"', '""')


def menu_link(label: str, menu: str) -> str:
    """Return a cell that opens a menu when it is clicked.

    :param str label: text shown, English
    :param str menu: full xml id of the menu
    """
    return f"[{label}](odoo://ir_menu_xml_id/{menu})"


@dataclass
class Sheet:
    """One sheet: cells, sizes, styles and figures, addressed from row and column 0."""

    key: str
    name: str
    columns: list
    row_count: int
    grid: bool = False
    cells: dict = field(default_factory=dict)
    rows: dict = field(default_factory=dict)
    styles: dict = field(default_factory=dict)
    formats: dict = field(default_factory=dict)
    borders: dict = field(default_factory=dict)
    conditional: list = field(default_factory=list)
    figures: list = field(default_factory=list)

    def put(self, row, col, content, style=None, number_format=None):
        """Write one cell.

        :param int row: 0 for the first row
        :param int col: 0 for column A
        :param str content: text, or a formula that starts with ``=``
        :param int style: one of the style constants, or None
        :param str number_format: one of ``FORMATS``, or None
        :return: the cell's name, such as ``B3``
        """
        name = f"{column(col)}{row + 1}"
        self.cells[name] = content
        if style:
            self.styles[name] = style
        if number_format:
            self.formats[name] = FORMAT_IDS[number_format]
        return name

    def band(self, row, first, last, style=None, border=None):
        """Give the cells of a row, from column ``first`` to ``last``, one look."""
        name = f"{column(first)}{row + 1}:{column(last)}{row + 1}"
        if style:
            self.styles[name] = style
        if border:
            self.borders[name] = border

    def figure(self, key, row, x, y, width, height, data):
        """Place a chart; the offset counts in pixels from the top left of ``row``.

        :return: the id of the figure
        """
        identifier = uid(key)
        self.figures.append(
            {
                "id": identifier,
                "tag": "chart",
                "col": 0,
                "row": row,
                "offset": {"x": x, "y": y},
                "width": width,
                "height": height,
                "data": {"chartId": identifier, **data},
            }
        )
        return identifier

    def as_dict(self) -> dict:
        """Return the sheet as it stands in the file."""
        return {
            "id": self.key,
            "name": self.name,
            "colNumber": len(self.columns),
            "rowNumber": self.row_count,
            "rows": {str(row): {"size": size} for row, size in self.rows.items()},
            "cols": {str(i): {"size": size} for i, size in enumerate(self.columns)},
            "merges": [],
            "cells": self.cells,
            "styles": self.styles,
            "formats": self.formats,
            "borders": self.borders,
            "conditionalFormats": self.conditional,
            "dataValidationRules": [],
            "figures": self.figures,
            "tables": [],
            "areGridLinesVisible": self.grid,
            "isVisible": True,
            "headerGroups": {"ROW": [], "COL": []},
            "comments": {},
        }


@dataclass
class Book:
    """A dashboard file: sheets, pivots, lists, filters and links to menus."""

    filters: list
    chains: dict
    sheets: list = field(default_factory=list)
    pivots: dict = field(default_factory=dict)
    lists: dict = field(default_factory=dict)
    menus: dict = field(default_factory=dict)

    def matching(self, model, now=False) -> dict:
        """Return which field of ``model`` each global filter acts on.

        :param str model: model of the source
        :param bool now: the source shows the present, whatever the chosen period
        """
        links = {}
        for item in self.filters:
            link = self.chains.get(model, {}).get(item["label"])
            if link and item["type"] == "date" and not now:
                links[item["id"]] = {**link, "offset": 0}
            elif link and item["type"] != "date":
                links[item["id"]] = dict(link)
        return links

    def pivot(self, name, model, measures, domain=(), rows=(), columns=(), now=False):
        """Add a pivot and return its number (text, as formulas use it)."""
        number = str(len(self.pivots) + 1)
        self.pivots[number] = {
            "type": "ODOO",
            "id": number,
            "formulaId": number,
            "name": name,
            "model": model,
            "domain": list(domain),
            "context": {},
            "measures": list(measures),
            "rows": list(rows),
            "columns": list(columns),
            "fieldMatching": self.matching(model, now),
        }
        return number

    def list(self, name, model, columns, domain=(), order=(), now=False):
        """Add a list and return its number (text, as formulas use it)."""
        number = str(len(self.lists) + 1)
        self.lists[number] = {
            "id": number,
            "name": name,
            "model": model,
            "columns": list(columns),
            "domain": list(domain),
            "context": {},
            "orderBy": [{"name": key, "asc": ascending} for key, ascending in order],
            "fieldMatching": self.matching(model, now),
        }
        return number

    def chart(
        self, kind, model, group_by, domain=(), measure="value", now=False, **look
    ):
        """Return the data of a chart that reads Odoo records.

        :param str kind: ``line``, ``bar`` or ``pie``
        :param list group_by: fields, with ``:month`` and the like where it is a date
        :param str measure: a stored number, or ``__count``
        """
        options = {"stacked": True} if kind == "bar" else {}
        if kind != "pie":
            options["axesDesign"] = {}
        return {
            "type": f"odoo_{kind}",
            "title": {"text": ""},
            "background": "#FFFFFF",
            "legendPosition": "top",
            "metaData": {
                "groupBy": list(group_by),
                "measure": measure,
                "order": None,
                "resModel": model,
                "mode": kind,
                "cumulatedStart": False,
            },
            "searchParams": {
                "comparison": None,
                "context": {},
                "domain": list(domain),
                "groupBy": list(group_by),
                "orderBy": [],
            },
            "dataSets": [{}],
            "verticalAxisPosition": "left",
            "cumulatedStart": False,
            "fieldMatching": self.matching(model, now),
            **options,
            **look,
        }

    def as_dict(self) -> dict:
        """Return the whole file."""
        return {
            "version": VERSION,
            "sheets": [sheet.as_dict() for sheet in self.sheets],
            "styles": {str(key): value for key, value in STYLES.items()},
            "formats": {str(key): value for key, value in FORMATS.items()},
            "borders": {str(key): value for key, value in BORDERS.items()},
            "revisionId": "START_REVISION",
            "uniqueFigureIds": True,
            "settings": {"locale": LOCALE},
            "pivots": self.pivots,
            "pivotNextId": len(self.pivots) + 1,
            "lists": self.lists,
            "listNextId": len(self.lists) + 1,
            "globalFilters": self.filters,
            "chartOdooMenusReferences": self.menus,
            "customTableStyles": {},
        }

    def dumps(self) -> str:
        """Return the text of the file, the same for the same description."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=True) + "\n"


def scorecard(title, key, baseline, mode, description, up_is_good=True, tint="#EFF6FF"):
    """Return the data of a scorecard.

    :param str key: cell of the figure, such as ``Data!F2``
    :param str baseline: cell compared with
    :param str mode: ``text``, ``difference`` or ``percentage``
    :param bool up_is_good: False where less is better (exceptions, tickets)
    """
    good, bad = "#00A04A", "#DC6965"
    return {
        "type": "scorecard",
        "title": {"text": title, "bold": True, "color": "#434343"},
        "background": tint,
        "keyValue": key,
        "baseline": baseline,
        "baselineMode": mode,
        "baselineDescr": {"text": description},
        "baselineColorUp": good if up_is_good else bad,
        "baselineColorDown": bad if up_is_good else good,
        "humanize": False,
    }
