# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The dashboard "SaaS Executive": where the company stands, on one page."""

from . import builder as b
from .layout import COLUMNS, colour_status, list_table, section
from .metrics import EXCEPTION, HEADLINES, MODULE, VALUE, headline

PERIOD, OWNER = "Period", "KPI owner"
FILTERS = [
    {"id": b.uid("filter.period"), "type": "date", "label": PERIOD},
    {
        "id": b.uid("filter.owner"),
        "type": "relation",
        "label": OWNER,
        "modelName": "res.users",
        "defaultValueDisplayNames": [],
    },
]
CHAINS = {
    VALUE: {
        PERIOD: {"chain": "date_start", "type": "date"},
        OWNER: {"chain": "kpi_id.saas_owner_id", "type": "many2one"},
    }
}
OPEN = ["state", "in", ["open", "retrying"]]
CARD_WIDTH, CARD_HEIGHT, GAP, CARDS_PER_ROW = 271, 109, 12, 4
KPI_ROWS, EXCEPTION_ROWS = 40, 6
#: The background of the rows of cards: money, operations, retention.
TINTS = ("#EFF6FF", "#FFF7ED", "#F0FDF4")


def build() -> b.Book:
    """Return the whole dashboard."""
    book = b.Book(FILTERS, CHAINS)
    data = b.Sheet("data", "Data", [170] + [110] * 9, 20, grid=True)
    board = b.Sheet("dashboard", "Dashboard", COLUMNS, 60)
    book.sheets += [board, data]
    _fill_data(book, data)
    _add_note(board)
    _add_scorecards(book, board)
    row = _add_charts(book, board)
    _add_tables(book, board, row)
    return book


def _fill_data(book, data):
    heads = (
        "KPI",
        "Latest",
        "Previous",
        "Date",
        "Currencies",
        "Sum of period",
        "Shown",
        "Compared with",
        "Target",
    )
    for col, text in enumerate(heads):
        data.put(0, col, b.translated(text), b.STRONG)
    for row, item in enumerate(HEADLINES, 1):
        _fill_data_row(book, data, row, item)
    row = len(HEADLINES) + 2
    pivot = book.pivot(
        "Currencies",
        VALUE,
        [{"id": "kpi_id", "fieldName": "kpi_id", "aggregator": "count_distinct"}],
        domain=[["kpi_id.unit", "=", "money"], ["saas_is_current", "=", True]],
        rows=[{"fieldName": "currency_id", "order": "asc"}],
    )
    data.put(row, 0, b.translated("Currencies"))
    for col in (1, 2):
        data.put(row, col, f'=IFERROR(PIVOT.HEADER({pivot},"#currency_id",{col}),"")')


def _fill_data_row(book, data, row, item):
    """Write the figures of one KPI.

    ``#date_start:day`` asks for the newest date inside the chosen period, whatever
    the length of the KPI's own period, so a stock is never added over dates. A flow is
    read by month, so that daily values make up the month.
    """
    ratio = item.kind == "ratio"
    step = "month" if item.kind == "flow" else "day"
    how = "avg" if ratio else "sum"
    pivot = book.pivot(
        item.title,
        VALUE,
        [
            {"id": "value", "fieldName": "value", "aggregator": how},
            {"id": "target", "fieldName": "target", "aggregator": how},
            {
                "id": "currency_id",
                "fieldName": "currency_id",
                "aggregator": "count_distinct",
            },
        ],
        domain=item.domain(),
        rows=[{"fieldName": "date_start", "granularity": step, "order": "desc"}],
    )
    line, look, day = row + 1, item.number_format, f'"#date_start:{step}"'
    # Percentages are stored as 0 to 100. An empty cell divided would be 0: the division
    # comes after the test for a number, and the cells before keep the stored value.
    share = "/100" if ratio else ""
    raw = "#,##0.00" if ratio else look
    data.put(row, 0, b.translated(item.title), b.LABEL)
    for col, position in ((1, 1), (2, 2)):
        data.put(
            row,
            col,
            f'=IFERROR(PIVOT.VALUE({pivot},"value",{day},{position}),"")',
            number_format=raw,
        )
    data.put(
        row,
        3,
        f'=IFERROR(PIVOT.HEADER({pivot},{day},1),"")',
        number_format="yyyy-mm-dd",
    )
    data.put(
        row,
        4,
        f'=IFERROR(PIVOT.VALUE({pivot},"currency_id"),0)' if item.is_money else "0",
    )
    data.put(
        row,
        5,
        f'=IFERROR(PIVOT.VALUE({pivot},"value"),"")' if item.kind == "flow" else "",
        number_format=raw,
    )
    shown = f"{'F' if item.kind == 'flow' else 'B'}{line}"
    guard = f"AND(ISNUMBER({shown}),SUM(E{line})<2)"
    data.put(row, 6, f'=IF({guard},{shown}{share},"-")', number_format=look)
    compared = {"flow": "B", "ratio": "I", "stock": "C"}[item.kind]
    guard = f"AND(ISNUMBER({compared}{line}),SUM(E{line})<2)"
    value = f"{compared}{line}{share}"
    data.put(row, 7, f'=IF({guard},{value},"")', number_format=look)
    data.put(
        row,
        8,
        f'=IFERROR(PIVOT.VALUE({pivot},"target",{day},1),"")',
        number_format=raw,
    )


def _add_note(board):
    row = len(HEADLINES) + 3
    board.rows[0] = 30
    several = "Several currencies are selected: choose one company to see amounts."
    board.put(
        0,
        0,
        f'=IF(Data!C{row}<>"",_t("{several}"),'
        f'IF(Data!B{row}<>"",CONCATENATE(_t("Amounts in company currency:")," ",'
        f'Data!B{row}),_t("No amounts stored for this selection yet.")))',
        b.NOTE,
    )


def _add_scorecards(book, board):
    lines = -(-len(HEADLINES) // CARDS_PER_ROW)
    board.rows[1] = lines * (CARD_HEIGHT + GAP) + GAP
    looks = {
        "stock": ("difference", "since previous period"),
        "flow": ("text", "in the latest month"),
        "ratio": ("text", "target"),
    }
    for index, item in enumerate(HEADLINES):
        mode, description = looks[item.kind]
        line = index + 2
        identifier = board.figure(
            f"card.{item.code}",
            1,
            (index % CARDS_PER_ROW) * (CARD_WIDTH + GAP),
            GAP + (index // CARDS_PER_ROW) * (CARD_HEIGHT + GAP),
            CARD_WIDTH,
            CARD_HEIGHT,
            b.scorecard(
                item.title,
                f"Data!G{line}",
                f"Data!H{line}",
                mode,
                description,
                item.up_is_good,
                TINTS[index // CARDS_PER_ROW % len(TINTS)],
            ),
        )
        book.menus[identifier] = item.menu


def _add_charts(book, board):
    """Four bands of two charts.

    Charts over months draw one series per company, so neither currencies nor
    percentages of different companies are ever added.

    :return: row below the charts
    """
    close = ["saas_is_month_close", "=", True]
    month = ["date_start:month", "company_id"]

    def over_months(code, kind="line"):
        item = headline(code)
        # Flows are added up inside a month; of a stock only the last date counts.
        domain = item.domain() if item.kind == "flow" else item.domain(close)
        return book.chart(kind, VALUE, month, domain)

    state_of = headline("onboarding_open")
    split = [
        ["kpi_id.code", "=", "onboarding_open"],
        ["saas_is_latest", "=", True],
        ["dimension", "not in", ["", False]],
    ]
    queue = f"{MODULE}.saas_exception_menu_open"
    bands = (
        (
            ("MRR by month", headline("mrr").menu, "mrr", over_months("mrr")),
            (
                "Invoiced usage by month",
                headline("invoiced_usage").menu,
                "usage",
                over_months("invoiced_usage", "bar"),
            ),
        ),
        (
            (
                "Invoiced recurring by month",
                headline("invoiced_recurring").menu,
                "recurring",
                over_months("invoiced_recurring", "bar"),
            ),
            (
                "SLA met % by month",
                headline("sla_met_rate").menu,
                "sla",
                over_months("sla_met_rate"),
            ),
        ),
        (
            (
                "Available to renew by month",
                headline("renewal_available").menu,
                "renewal",
                over_months("renewal_available", "bar"),
            ),
            (
                "Gross renewal rate % by month",
                headline("renewal_gross_rate").menu,
                "renewal_rate",
                over_months("renewal_gross_rate"),
            ),
        ),
        (
            (
                "Open exceptions by queue, now",
                queue,
                "queue",
                book.chart(
                    "bar",
                    EXCEPTION,
                    ["queue", "severity"],
                    [OPEN],
                    measure="__count",
                    now=True,
                ),
            ),
            (
                "Onboardings by state, now",
                state_of.menu,
                "onboarding",
                book.chart(
                    "bar", VALUE, ["dimension"], split, now=True, legendPosition="none"
                ),
            ),
        ),
    )
    row = 2
    for band in bands:
        section(book, board, row, band)
        row += 2
    return row


def _add_tables(book, board, row):
    critical = book.list(
        "Open critical exceptions",
        EXCEPTION,
        [
            "name",
            "queue",
            "account_id",
            "owner_id",
            "state",
            "occurrences",
            "last_seen_at",
            "due_at",
        ],
        domain=[OPEN, ["severity", "=", "critical"]],
        order=[("due_at", True), ("first_seen_at", True)],
        now=True,
    )
    heads = (
        ("name", "Exception", None),
        ("queue", "Queue", None),
        ("account_id", "Account", None),
        ("owner_id", "Owner", None),
        ("state", "State", None),
        ("occurrences", "Occurrences", None),
        ("last_seen_at", "Last seen", "yyyy-mm-dd hh:mm"),
        ("due_at", "Due", "yyyy-mm-dd hh:mm"),
    )
    row = list_table(
        board,
        row,
        critical,
        b.menu_link(
            "Open critical exceptions", f"{MODULE}.saas_exception_menu_critical"
        ),
        heads,
        EXCEPTION_ROWS,
    )
    values = book.list(
        "Latest KPI values",
        VALUE,
        [
            "kpi_id",
            "company_id",
            "date_start",
            "saas_value_text",
            "saas_target_text",
            "saas_change_text",
            "status",
            "computed_at",
        ],
        domain=[
            ["saas_is_latest", "=", True],
            ["saas_is_total", "=", True],
        ],
        order=[("kpi_id", True), ("company_id", True)],
        now=True,
    )
    heads = (
        ("kpi_id", "KPI", None),
        ("company_id", "Company", None),
        ("date_start", "Period from", "yyyy-mm-dd"),
        ("saas_value_text", "Value", None),
        ("saas_target_text", "Target", None),
        ("saas_change_text", "Change", None),
        ("status", "Status", None),
        ("computed_at", "Computed at", "yyyy-mm-dd hh:mm"),
    )
    row = list_table(
        board,
        row + 1,
        values,
        b.menu_link("Latest KPI values", f"{MODULE}.saas_kpi_value_menu_board"),
        heads,
        KPI_ROWS,
    )
    colour_status(board, 6, row - KPI_ROWS, row - 1)
    board.row_count = row + 1
