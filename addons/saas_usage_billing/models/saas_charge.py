# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime
from decimal import Decimal

from odoo import api, fields, models
from odoo.tools import SQL

from .saas_usage_price import format_quantity
from .usage_store_api import Bounds, Window, get_store

#: Groups named one by one.
MAX_GROUPS = 20


class SaasCharge(models.Model):
    _inherit = "saas.charge"

    has_usage = fields.Boolean(compute="_compute_usage_text")
    usage_text = fields.Text(
        string="Quantity and Tiers",
        compute="_compute_usage_text",
        help="How the amount came about.",
    )
    usage_group_text = fields.Text(
        string="By Dimension",
        compute="_compute_usage_group_text",
        help="The metered quantity by the dimensions of the meter, of the same events.",
    )

    @api.depends("details")
    def _compute_usage_text(self):
        for charge in self:
            details = charge.details or {}
            charge.has_usage = "price_id" in details and "bounds" in details
            charge.usage_text = False
            if charge.has_usage:
                # sudo: the evidence of the charge, not the price list
                price = self.env["saas.usage.price"].sudo().browse(details["price_id"])
                charge.usage_text = "\n".join(price._describe(details))

    @api.depends("details")
    def _compute_usage_group_text(self):
        for charge in self:
            charge.usage_group_text = charge._describe_groups() or False

    def _describe_groups(self):
        """Return the metered quantity by the dimensions of the meter, in words."""
        self.ensure_one()
        # sudo: the meter of the charge, not the list of meters
        price = self.env["saas.usage.price"].sudo()
        if self.has_usage:
            price = price.browse(self.details["price_id"])
        dimensions = price.meter_id.dimension_ids
        if not dimensions:
            return ""
        groups = self._measure_usage(by_dimension=True)
        most = sorted(groups.items(), key=lambda one: (-one[1].quantity, one[0]))
        lines = [
            self.env._(
                "%(group)s: %(quantity)s %(unit)s, %(count)s events",
                group=dimensions._describe(texts),
                quantity=format_quantity(one.quantity),
                unit=price.meter_id.unit,
                count=one.count,
            )
            for texts, one in most[:MAX_GROUPS]
        ]
        if most[MAX_GROUPS:]:
            count = sum(one.count for _texts, one in most[MAX_GROUPS:])
            lines.append(
                self.env._(
                    "%(number)s more, %(count)s events",
                    number=len(most) - MAX_GROUPS,
                    count=count,
                )
            )
        return "\n".join(lines)

    def action_view_usage_events(self):
        """Open the events the charge was computed from, by day.

        :return: window action
        """
        self.ensure_one()
        bounds = (self.details or {}).get("bounds")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_event_action"
        )
        if not bounds:
            action["domain"] = [("id", "=", False)]
            return action
        # sudo: the meter of the charge, not the list of meters
        price = self.env["saas.usage.price"].sudo().browse(self.details["price_id"])
        action["domain"] = [
            ("subscription_id", "=", self.subscription_id.id),
            ("counted_by_id", "=", price.meter_id.id),
            ("event_time", ">=", bounds["event_from"].replace("T", " ")),
            ("event_time", "<", bounds["event_to"].replace("T", " ")),
            ("batch_id", "<=", bounds["batch_max"]),
            ("batch_id", "not in", bounds["batch_open"]),
        ]
        action["context"] = {"search_default_group_day": 1}
        return action

    def _get_usage_recomputed(self):
        """Compute the metered quantity again, from the same evidence.

        Events that arrived later are left out, so the answer never changes. For an
        adjustment it is the quantity the adjustment led to.

        :return: Decimal, None for charges without usage
        """
        self.ensure_one()
        if not self.has_usage:
            return None
        return self._measure_usage()[()].quantity

    def _measure_usage(self, by_dimension=False):
        """Measure the evidence of the charge.

        :param bool by_dimension: a quantity for each combination of the dimensions
        :return: dict of group to ``Measured``
        """
        bounds = self.details["bounds"]
        window = Window(
            self.subscription_id.id,
            datetime.fromisoformat(bounds["event_from"]),
            datetime.fromisoformat(bounds["event_to"]),
            # Charges of earlier versions of this module did not keep it.
            bounds.get("tz") or self.subscription_id.tz,
        )
        # sudo: the meter of the charge, not the list of meters
        price = self.env["saas.usage.price"].sudo().browse(self.details["price_id"])
        [groups] = get_store(self.env).aggregate(
            price.meter_id._get_spec(by_dimension), [window], Bounds.from_dict(bounds)
        )
        return groups

    def _get_usage_booked(self):
        """Return the quantity the charge's evidence stands for.

        :return: Decimal, None for charges without usage
        """
        self.ensure_one()
        return Decimal(self.details["quantity"]) if self.has_usage else None

    # ------------------------------------------------------------------
    # KPI
    # ------------------------------------------------------------------
    @api.model
    def _saas_kpi_invoiced_usage(self, kpi, company, date_start, date_end):
        """Sum the usage charges invoiced in a period, in company currency.

        Invoices and credit notes count by invoice date, untaxed, at the rate the
        ledger booked them with; corrections of usage charges are included.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row, see ``saas_core``
        """
        self.env["account.move.line"].flush_model()
        self.flush_model()
        [[value, count]] = self.env.execute_query(
            SQL(
                """
                SELECT COALESCE(-SUM(line.balance), 0), COUNT(*)
                  FROM saas_charge charge
                  JOIN account_move_line line ON line.id = charge.move_line_id
                  JOIN account_move move ON move.id = line.move_id
                 WHERE charge.company_id = %(company)s
                   AND charge.base_kind = 'usage'
                   AND move.state = 'posted'
                   AND move.invoice_date >= %(date_start)s
                   AND move.invoice_date < %(date_end)s
                """,
                company=company.id,
                date_start=date_start,
                date_end=date_end,
            )
        )
        domain = [
            ("company_id", "=", company.id),
            ("base_kind", "=", "usage"),
            ("move_id.invoice_date", ">=", str(date_start)),
            ("move_id.invoice_date", "<", str(date_end)),
        ]
        return [
            {
                "value": value,
                "currency_id": company.currency_id.id,
                "res_model": "saas.charge",
                "domain": domain,
                "inputs": {"charges": count},
            }
        ]
