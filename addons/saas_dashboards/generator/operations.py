# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The dashboard "SaaS Operations": queues, their age, and what is going on."""

from . import builder as b
from .layout import COLUMNS, colour_status, list_table, section
from .metrics import EVENT, EXCEPTION, MODULE, VALUE

PERIOD, PERSON = "Period", "Owner"
FILTERS = [
    {"id": b.uid("operations.period"), "type": "date", "label": PERIOD},
    {
        "id": b.uid("operations.person"),
        "type": "relation",
        "label": PERSON,
        "modelName": "res.users",
        "defaultValueDisplayNames": [],
    },
]
CHAINS = {
    EXCEPTION: {
        PERIOD: {"chain": "first_seen_at", "type": "datetime"},
        PERSON: {"chain": "owner_id", "type": "many2one"},
    },
    EVENT: {
        PERIOD: {"chain": "occurred_at", "type": "datetime"},
        PERSON: {"chain": "actor_id", "type": "many2one"},
    },
    VALUE: {
        PERIOD: {"chain": "date_start", "type": "date"},
        PERSON: {"chain": "kpi_id.saas_owner_id", "type": "many2one"},
    },
}
OPEN = ["state", "in", ["open", "retrying"]]
CARDS = (
    ("open", "Open", [OPEN], "open"),
    ("critical", "Critical", [OPEN, ["severity", "=", "critical"]], "critical"),
    ("overdue", "Overdue", [OPEN, ["due_at", "<", "now"]], "overdue"),
    ("unassigned", "Without owner", [OPEN, ["owner_id", "=", False]], "unassigned"),
)
CARD_WIDTH, CARD_HEIGHT, GAP = 271, 84, 12
OFF_TARGET_ROWS = 12


def build() -> b.Book:
    """Return the whole dashboard."""
    book = b.Book(FILTERS, CHAINS)
    data = b.Sheet("data", "Data", [170, 110, 110], 10, grid=True)
    board = b.Sheet("dashboard", "Dashboard", COLUMNS, 60)
    book.sheets += [board, data]
    _add_scorecards(book, board, data)
    _add_charts(book, board)
    _add_tables(book, board)
    return book


def _add_scorecards(book, board, data):
    data.put(0, 0, b.translated("Exceptions"), b.STRONG)
    data.put(0, 1, b.translated("Count"), b.STRONG)
    board.rows[0] = CARD_HEIGHT + 2 * GAP
    for index, (key, title, domain, menu) in enumerate(CARDS):
        pivot = book.pivot(
            title,
            EXCEPTION,
            [{"id": "__count", "fieldName": "__count"}],
            domain=domain,
        )
        row = index + 1
        data.put(row, 0, b.translated(title), b.LABEL)
        data.put(
            row,
            1,
            f"=IF(ISNUMBER(C{row + 1}),C{row + 1},0)",
            number_format="#,##0",
        )
        data.put(row, 2, f'=IFERROR(PIVOT.VALUE({pivot},"__count"),"")')
        identifier = board.figure(
            f"operations.card.{key}",
            0,
            index * (CARD_WIDTH + GAP),
            GAP,
            CARD_WIDTH,
            CARD_HEIGHT,
            b.scorecard(
                f"{title} exceptions" if index < 3 else "Exceptions without owner",
                f"Data!B{row + 1}",
                "",
                "text",
                "",
                up_is_good=False,
                tint="#FFF7ED" if index else "#EFF6FF",
            ),
        )
        book.menus[identifier] = f"{MODULE}.saas_exception_menu_{menu}"


def _add_charts(book, board):
    menu = f"{MODULE}.saas_exception_menu_open"
    events = f"{MODULE}.saas_event_menu_analysis"

    def count(kind, model, group_by, domain=(), **look):
        return book.chart(kind, model, group_by, domain, measure="__count", **look)

    by_queue = count("bar", EXCEPTION, ["queue", "severity"], [OPEN])
    by_age = count("bar", EXCEPTION, ["first_seen_at:week", "severity"], [OPEN])
    per_day = count("bar", EVENT, ["occurred_at:day"], legendPosition="none")
    by_name = count("bar", EVENT, ["name"], legendPosition="none")
    section(
        book,
        board,
        1,
        (
            ("Open by queue and severity", menu, "operations.queue", by_queue),
            ("Open by week first seen", menu, "operations.age", by_age),
        ),
    )
    section(
        book,
        board,
        3,
        (
            ("Events per day", events, "operations.day", per_day),
            ("Events by name", events, "operations.name", by_name),
        ),
    )


def _add_tables(book, board):
    oldest = book.list(
        "Oldest open exceptions",
        EXCEPTION,
        [
            "name",
            "queue",
            "severity",
            "account_id",
            "owner_id",
            "state",
            "first_seen_at",
            "due_at",
        ],
        domain=[OPEN],
        order=[("first_seen_at", True)],
    )
    heads = (
        ("name", "Exception", None),
        ("queue", "Queue", None),
        ("severity", "Severity", None),
        ("account_id", "Account", None),
        ("owner_id", "Owner", None),
        ("state", "State", None),
        ("first_seen_at", "First seen", "yyyy-mm-dd hh:mm"),
        ("due_at", "Due", "yyyy-mm-dd hh:mm"),
    )
    title = b.menu_link("Oldest open exceptions", f"{MODULE}.saas_exception_menu_open")
    row = list_table(board, 5, oldest, title, heads, 12)
    off_target = book.list(
        "KPIs off target",
        VALUE,
        [
            "kpi_id",
            "company_id",
            "dimension",
            "date_start",
            "saas_value_text",
            "saas_target_text",
            "status",
            "computed_at",
        ],
        domain=[
            ["saas_is_latest", "=", True],
            ["status", "in", ["warning", "critical"]],
        ],
        order=[("kpi_id", True), ("company_id", True)],
        now=True,
    )
    heads = (
        ("kpi_id", "KPI", None),
        ("company_id", "Company", None),
        ("dimension", "Dimension", None),
        ("date_start", "Period from", "yyyy-mm-dd"),
        ("saas_value_text", "Value", None),
        ("saas_target_text", "Target", None),
        ("status", "Status", None),
        ("computed_at", "Computed at", "yyyy-mm-dd hh:mm"),
    )
    title = b.menu_link("KPIs off target", f"{MODULE}.saas_kpi_value_menu_board")
    row = list_table(board, row + 1, off_target, title, heads, OFF_TARGET_ROWS)
    colour_status(board, 6, row - OFF_TARGET_ROWS, row - 1)
    board.row_count = row + 1
