# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL, float_compare
from odoo.tools.misc import formatLang

STORED_KEYS = (
    "kpi_id",
    "company_id",
    "date_start",
    "date_end",
    "definition_version",
    "dimension",
)
FLAGS = ("saas_is_current", "saas_is_month_close", "saas_is_latest", "saas_is_total")


class SaasKpiValue(models.Model):
    """Which stored values count where, and how they read.

    Values of a KPI may not be picked at will: after a new definition two rows exist
    for one period, and a stock such as MRR must not be added over dates. The
    search flags name the sets a figure may be built from:

    * *in force*: not overtaken by a newer definition that covers the same days;
    * *month close*: of those, the last date of each month (stocks over months);
    * *current*: of those, the newest date (what is true now). It is taken over all
      dimensions together, so a state nobody is in any more does not linger;
    * *total*: the row without a dimension; where a KPI stores only a split, the rows of
      the split, which add up to it (never for percentages).
    """

    _inherit = "saas.kpi.value"

    saas_is_current = fields.Boolean(
        string="In Force",
        compute="_compute_saas_flags",
        search="_search_saas_is_current",
        help="Computed with the newest definition of its period.",
    )
    saas_is_month_close = fields.Boolean(
        string="Month Close",
        compute="_compute_saas_flags",
        search="_search_saas_is_month_close",
        help="The last value of its month, for figures that are not added over dates.",
    )
    saas_is_latest = fields.Boolean(
        string="Current Value",
        compute="_compute_saas_flags",
        search="_search_saas_is_latest",
        help="The newest value of its KPI and company.",
    )
    saas_is_total = fields.Boolean(
        string="Total",
        compute="_compute_saas_flags",
        search="_search_saas_is_total",
        help="Part of the total of its KPI; a split beside a total is not.",
    )
    saas_owner_id = fields.Many2one(related="kpi_id.saas_owner_id")
    saas_value_text = fields.Char(string="Shown Value", compute="_compute_saas_texts")
    saas_target_text = fields.Char(string="Shown Target", compute="_compute_saas_texts")
    saas_previous_value = fields.Float(
        string="Value Before",
        digits=(16, 4),
        compute="_compute_saas_previous_value",
        help="Value of the period before, same company and dimension.",
    )
    saas_change_text = fields.Char(
        string="Change", compute="_compute_saas_previous_value"
    )
    saas_trend = fields.Selection(
        [("better", "Better"), ("worse", "Worse"), ("same", "Unchanged")],
        string="Trend",
        compute="_compute_saas_previous_value",
        help="Against the period before, by the direction of the KPI.",
    )

    # ------------------------------------------------------------ search flags

    def _compute_saas_flags(self):
        for name in FLAGS:
            chosen = self.search([("id", "in", self.ids), (name, "=", True)])
            for value in self:
                value[name] = value in chosen

    def _search_saas_is_current(self, operator, value):
        return self._search_saas_flag(operator)

    def _search_saas_is_month_close(self, operator, value):
        month = SQL("kpi_id, company_id, date_trunc('month', date_start)")
        return self._search_saas_flag(operator, month)

    def _search_saas_is_latest(self, operator, value):
        return self._search_saas_flag(operator, SQL("kpi_id, company_id"))

    def _search_saas_flag(self, operator, partition=None):
        """Return the domain of the rows in force, or of the newest of them.

        :param str operator: only ``in`` is answered, the framework does the rest
        :param SQL partition: columns within which only the newest date is kept
        """
        if operator != "in":
            return NotImplemented
        self.flush_model(STORED_KEYS)
        rank = SQL("1")
        if partition:
            rank = SQL(
                "dense_rank() OVER (PARTITION BY %s ORDER BY date_start DESC)",
                partition,
            )
        in_force = SQL(
            """(SELECT id FROM (
                SELECT id, %s AS place FROM saas_kpi_value AS this
                WHERE NOT EXISTS (
                    SELECT 1 FROM saas_kpi_value AS newer
                    WHERE newer.kpi_id = this.kpi_id
                      AND newer.company_id = this.company_id
                      AND newer.definition_version > this.definition_version
                      AND newer.date_start < this.date_end
                      AND newer.date_end > this.date_start)
            ) AS ranked WHERE place = 1)""",
            rank,
        )
        return Domain("id", "in", in_force)

    def _search_saas_is_total(self, operator, value):
        if operator != "in":
            return NotImplemented
        self.flush_model(STORED_KEYS)
        self.env["saas.kpi"].flush_model(["unit"])
        totals = SQL(
            """(SELECT this.id FROM saas_kpi_value AS this
                JOIN saas_kpi AS kpi ON kpi.id = this.kpi_id
                WHERE COALESCE(this.dimension, '') = '' OR (
                    kpi.unit != 'percent' AND NOT EXISTS (
                        SELECT 1 FROM saas_kpi_value AS other
                        WHERE other.kpi_id = this.kpi_id
                          AND other.company_id = this.company_id
                          AND other.date_start = this.date_start
                          AND other.definition_version = this.definition_version
                          AND COALESCE(other.dimension, '') = '')))"""
        )
        return Domain("id", "in", totals)

    # ------------------------------------------------------------------- texts

    @api.depends("value", "target", "kpi_id.unit", "currency_id", "status")
    @api.depends_context("lang")
    def _compute_saas_texts(self):
        for row in self:
            row.saas_value_text = row._saas_format(row.value)
            has_target = row.status != "none" or row.target
            row.saas_target_text = row._saas_format(row.target) if has_target else ""

    def _saas_format(self, amount) -> str:
        """Return an amount in the unit of this value's KPI.

        :param float amount: money in the value's currency; percent from 0 to 100
        :return: text in the reader's language, such as ``1,250.00 EUR`` or ``97.5 %``
        """
        self.ensure_one()
        unit = self.kpi_id.unit
        if unit == "money":
            currency = self.currency_id or self.company_id.currency_id
            text = formatLang(self.env, amount, digits=currency.decimal_places)
            return f"{text} {currency.name}"
        if unit == "percent":
            return f"{formatLang(self.env, amount, digits=1)} %"
        if unit == "days":
            days = formatLang(self.env, amount, digits=1)
            return self.env._("%(count)s days", count=days)
        whole = float_compare(amount, round(amount), precision_digits=4) == 0
        return formatLang(self.env, amount, digits=0 if whole else 2)

    @api.depends("value", "kpi_id", "company_id", "dimension", "date_start")
    @api.depends_context("lang")
    def _compute_saas_previous_value(self):
        previous = self._saas_previous_values()
        for row in self:
            before = previous.get(row.id)
            row.saas_previous_value = before or 0.0
            row.saas_trend = row._saas_get_trend(before)
            row.saas_change_text = row._saas_get_change_text(before)

    def _saas_previous_values(self) -> dict:
        """Return ``{id: value of the period before}``; ids without one are missing."""
        if not self.ids:
            return {}
        self.flush_model([*STORED_KEYS, "value"])
        # One statement for all rows: a search per row would make lists slow.
        rows = self.env.execute_query(
            SQL(
                """SELECT this.id, before.value
                FROM saas_kpi_value AS this
                JOIN LATERAL (
                    SELECT old.value FROM saas_kpi_value AS old
                    WHERE old.kpi_id = this.kpi_id
                      AND old.company_id = this.company_id
                      AND COALESCE(old.dimension, '') = COALESCE(this.dimension, '')
                      AND old.date_start < this.date_start
                    ORDER BY old.date_start DESC, old.definition_version DESC LIMIT 1
                ) AS before ON TRUE
                WHERE this.id IN %s""",
                tuple(self.ids),
            )
        )
        return {row_id: float(value or 0.0) for row_id, value in rows}

    def _saas_get_trend(self, before):
        if before is None:
            return False
        order = float_compare(self.value, before, precision_digits=4)
        if not order:
            return "same"
        wanted = 1 if self.kpi_id.direction == "up" else -1
        return "better" if order == wanted else "worse"

    def _saas_get_change_text(self, before) -> str:
        if before is None:
            return ""
        change = self.value - before
        sign = "+" if change > 0 else ""
        return f"{sign}{self._saas_format(change)}"

    def _saas_status_label(self) -> str:
        """Return the status as the reader sees it, for mails."""
        self.ensure_one()
        labels = dict(self._fields["status"]._description_selection(self.env))
        return labels.get(self.status, "")

    # ------------------------------------------------------------------ actions

    def action_view_saas_history(self):
        """Open all values of this KPI, company and dimension as a graph and a list.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_dashboards.saas_kpi_value_action_analysis"
        )
        action["display_name"] = self.kpi_id.display_name
        action["domain"] = [
            ("kpi_id", "=", self.kpi_id.id),
            ("company_id", "=", self.company_id.id),
            ("dimension", "in", [self.dimension or "", self.dimension or False]),
        ]
        action["context"] = {"search_default_in_force": 1}
        action["view_mode"] = "graph,list,pivot,form"
        action["views"] = sorted(
            action["views"],
            key=lambda view: (
                ("graph", "list").index(view[1]) if view[1] in ("graph", "list") else 2
            ),
        )
        return action
