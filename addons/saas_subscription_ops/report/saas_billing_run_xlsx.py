# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import io

import xlsxwriter

TEXT, MONEY, DAY = "text", "money", "day"


class RunWorkbook:
    """The run report as a workbook: summary, taxes, invoices, what was not posted.

    :param run: ``saas.billing.run``, with the rights to read it
    :param dict figures: of ``report.saas_subscription_ops.report_saas_billing_run``
    """

    def __init__(self, run, figures: dict):
        self.run = run.sudo()  # sudo: the figures were checked and read already
        self.figures = figures
        self.env = run.env

    def render(self) -> bytes:
        """Return the file."""
        stream = io.BytesIO()
        # Texts of customers stay texts: no formulas, no links.
        options = {"in_memory": True, "strings_to_formulas": False}
        with xlsxwriter.Workbook(stream, options) as self.book:
            self.formats = {
                "head": self.book.add_format({"bold": True, "bg_color": "#E9ECEF"}),
                TEXT: self.book.add_format({"text_wrap": True, "valign": "top"}),
                MONEY: self.book.add_format(
                    {"num_format": "#,##0.00", "valign": "top"}
                ),
                DAY: self.book.add_format(
                    {"num_format": "yyyy-mm-dd", "valign": "top"}
                ),
            }
            self._add_summary()
            self._add_totals()
            self._add_taxes()
            self._add_invoices()
            self._add_open_lines()
        return stream.getvalue()

    def _add_sheet(self, name: str, columns: list, rows: list):
        """Write a sheet.

        :param str name: its tab
        :param list columns: (head, kind, width)
        :param list rows: values, one per column
        """
        sheet = self.book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        for index, (head, _kind, width) in enumerate(columns):
            sheet.set_column(index, index, width)
            sheet.write_string(0, index, head, self.formats["head"])
        for number, row in enumerate(rows, 1):
            for index, ((_head, kind, _width), value) in enumerate(
                zip(columns, row, strict=True)
            ):
                self._write(sheet, number, index, kind, value)
        if rows:
            sheet.autofilter(0, 0, len(rows), len(columns) - 1)

    def _write(self, sheet, row: int, column: int, kind: str, value):
        form = self.formats[kind]
        if value is None or value is False or value == "":
            sheet.write_blank(row, column, None, form)
        elif kind == MONEY:
            sheet.write_number(row, column, value, form)
        elif kind == DAY:
            sheet.write_datetime(row, column, value, form)
        else:
            sheet.write_string(row, column, str(value), form)

    def _add_summary(self):
        run = self.run
        state = dict(run._fields["state"]._description_selection(self.env))[run.state]
        rows = [
            (self.env._("Billing run"), run.name),
            (self.env._("Company"), run.company_id.name),
            (self.env._("Due before"), run.date_cutoff),
            (self.env._("Invoice date"), run.date_invoice),
            (
                self.env._("Plans"),
                ", ".join(run.plan_ids.mapped("name")) or self.env._("All"),
            ),
            (
                self.env._("Accounts"),
                ", ".join(run.partner_ids.mapped("name")) or self.env._("All"),
            ),
            (self.env._("Schedule"), run.schedule_id.name),
            (self.env._("State"), state),
            *(
                (label, f"{who}, {moment:%Y-%m-%d %H:%M} UTC")
                for label, who, moment in self.figures["people"]
            ),
            (self.env._("Reason of the refusal"), run.refuse_reason),
            (self.env._("Posted"), run.done_count),
            (self.env._("Held"), run.held_count),
            (self.env._("Excluded"), run.excluded_count),
            (self.env._("Failed"), run.failed_count),
        ]
        columns = [(self.env._("What"), TEXT, 28), (self.env._("Value"), TEXT, 60)]
        self._add_sheet(self.env._("Summary"), columns, rows)

    def _add_totals(self):
        columns = [
            (self.env._("Currency"), TEXT, 10),
            (self.env._("Document"), TEXT, 24),
            (self.env._("Number"), TEXT, 10),
            (self.env._("Untaxed"), MONEY, 16),
            (self.env._("Tax"), MONEY, 16),
            (self.env._("Total"), MONEY, 16),
        ]
        rows = [
            (
                row["currency"].name,
                row["type"],
                row["count"],
                row["untaxed"],
                row["tax"],
                row["total"],
            )
            for row in self.figures["totals"]
        ]
        self._add_sheet(self.env._("Amounts"), columns, rows)

    def _add_taxes(self):
        columns = [
            (self.env._("Currency"), TEXT, 10),
            (self.env._("Tax"), TEXT, 32),
            (self.env._("Base"), MONEY, 16),
            (self.env._("Tax Amount"), MONEY, 16),
        ]
        rows = [
            (row["currency"].name, row["tax"], row["base"], row["amount"])
            for row in self.figures["taxes"]
        ]
        self._add_sheet(self.env._("Taxes"), columns, rows)

    def _add_invoices(self):
        columns = [
            (self.env._("Invoice"), TEXT, 20),
            (self.env._("Customer"), TEXT, 36),
            (self.env._("Date"), DAY, 12),
            (self.env._("Subscriptions"), TEXT, 24),
            (self.env._("Currency"), TEXT, 10),
            (self.env._("Untaxed"), MONEY, 16),
            (self.env._("Total"), MONEY, 16),
        ]
        rows = [
            (
                move.name,
                move.partner_id.display_name,
                move.invoice_date,
                move.invoice_origin,
                move.currency_id.name,
                move.amount_untaxed_in_currency_signed,
                move.amount_total_in_currency_signed,
            )
            for move in self.figures["moves"]
        ]
        self._add_sheet(self.env._("Invoices"), columns, rows)

    def _add_open_lines(self):
        columns = [
            (self.env._("State"), TEXT, 16),
            (self.env._("Subscription"), TEXT, 18),
            (self.env._("Account"), TEXT, 36),
            (self.env._("Currency"), TEXT, 10),
            (self.env._("Amount"), MONEY, 16),
            (self.env._("Why"), TEXT, 60),
            (self.env._("Comment"), TEXT, 40),
            (self.env._("Decided By"), TEXT, 24),
        ]
        rows = [
            (
                label,
                line.subscription_id.name,
                line.partner_id.name,
                line.currency_id.name,
                line.amount,
                line.why,
                line.comment,
                line.decided_by_id.name,
            )
            for label, lines in self.figures["open"]
            for line in lines
        ]
        self._add_sheet(self.env._("Not Posted"), columns, rows)
