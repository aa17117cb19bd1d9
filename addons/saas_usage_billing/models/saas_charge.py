# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from psycopg2.errors import UniqueViolation

from odoo import api, fields, models
from odoo.exceptions import ConcurrencyError
from odoo.fields import Domain
from odoo.tools import SQL

from ..exceptions import UsageStoreError
from .saas_usage_price import format_quantity

#: Groups named one by one.
MAX_GROUPS = 20


class SaasCharge(models.Model):
    _name = "saas.charge"
    _inherit = ["saas.charge", "saas.usage.evidence"]

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
            charge.usage_text = False
            if charge.has_usage:
                price = charge._get_usage_price()
                charge.usage_text = "\n".join(price._describe(charge.details))

    @api.depends("details")
    def _compute_usage_group_text(self):
        for charge in self:
            charge.usage_group_text = charge._describe_groups() or False

    def _describe_groups(self):
        """Return the metered quantity by the dimensions of the meter, in words."""
        self.ensure_one()
        price = self._get_usage_price()
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

    def _get_drill_action(self):
        """Open the charge, or the list to choose one from, with the user's rights.

        :return: window action
        :raise UsageStoreError: there is none
        """
        charges = self.sudo(False)
        if not charges:
            raise UsageStoreError(
                self.env._("No metered use is behind this. Open the charges instead.")
            )
        if len(charges) == 1:
            return charges.action_drill_usage()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_charge_action"
        )
        return {**action, "domain": [("id", "in", charges.ids)], "context": {}}

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

    # ------------------------------------------------------------------
    # Disputes
    # ------------------------------------------------------------------
    def _prepare_dispute_vals(self):
        """Prepare the hold of the usage that was charged.

        :return: values of ``saas.usage.hold``
        """
        self.ensure_one()
        return {
            "subscription_id": self.subscription_id.id,
            "meter_id": self._get_usage_price().meter_id.id,
            "date_from": self.service_start,
            "date_to": self.service_end,
            "kind": "dispute",
            "charge_id": self.id,
        }

    def _get_dispute(self):
        """Return the dispute of the charge, or of another of the same usage.

        An open one of the same meter and first day holds this usage as well: of
        another price or product, or opened by staff.

        :return: ``saas.usage.hold``, the open one first
        """
        self.ensure_one()
        scope = self._prepare_dispute_vals()
        # What the hold is unique by.
        same = Domain([(name, "=", scope[name]) for name in ("meter_id", "date_from")])
        return self.env["saas.usage.hold"].search(
            Domain("subscription_id", "=", self.subscription_id.id)
            & Domain("kind", "=", "dispute")
            & (
                Domain("charge_id.ref", "=", self.ref)
                | (Domain("state", "=", "open") & same)
            ),
            order="state, id desc",
            limit=1,
        )

    def _open_dispute(self, reason):
        """Dispute the usage in the name of the customer, once.

        :param str reason: the customer's words
        :return: the dispute, new or of before
        :raise ConcurrencyError: somebody else was faster; the framework begins anew
        """
        self.ensure_one()
        found = self._get_dispute()
        if found:
            return found
        # What staff writes about it is not for the customer who opened it.
        holds = self.env["saas.usage.hold"].with_context(mail_create_nosubscribe=True)
        try:
            with self.env.cr.savepoint():
                return holds.create({**self._prepare_dispute_vals(), "reason": reason})
        except UniqueViolation as error:
            # Sent twice at once: this transaction does not see the other one's.
            raise ConcurrencyError(str(error)) from error

    def action_dispute_usage(self):
        """Open the dispute of the charge, or a new one.

        :return: window action
        :raise UsageStoreError: no usage
        """
        if not (len(self) == 1 and self.has_usage):
            raise UsageStoreError(
                self.env._("Choose one charge of metered use, then dispute it.")
            )
        dispute = self._get_dispute()
        if dispute:
            return dispute._get_records_action()
        given = self._prepare_dispute_vals()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Dispute This Usage"),
            "res_model": "saas.usage.hold",
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "current",
            "context": {f"default_{name}": value for name, value in given.items()},
        }

    # ------------------------------------------------------------------
    # KPI
    # ------------------------------------------------------------------
    @api.model
    def _saas_kpi_invoiced_usage(self, kpi, company, date_start, date_end):
        """Sum the usage charges invoiced in a period, in company currency.

        Invoices and credit notes count by invoice date, untaxed, at the rate the
        ledger booked them with; corrections of usage charges are included. What
        prepaid credit paid of it counts as invoiced.

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
                   AND charge.ref NOT LIKE 'wallet:%%'
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
            ("ref", "not =like", "wallet:%"),
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
