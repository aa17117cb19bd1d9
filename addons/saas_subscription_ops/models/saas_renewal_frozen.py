# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Forecasts that are kept: when the window opens and month by month."""

from datetime import date

from odoo import api, fields, models

from .saas_renewal import DECIDED

FORECAST_FAILED = "renewal.forecast_failed"


class SaasRenewal(models.Model):
    _inherit = "saas.renewal"

    snapshot_ids = fields.One2many(
        "saas.renewal.snapshot", "renewal_id", string="Snapshots", readonly=True
    )
    snapshot_count = fields.Integer(compute="_compute_snapshot_count")
    is_forecast_kept = fields.Boolean(
        compute="_compute_kept",
        store=True,
        help="There was a forecast when the window opened.",
    )
    amount_kept = fields.Monetary(
        string="Forecast at Window",
        compute="_compute_kept",
        store=True,
        help="What was forecast when the window opened.",
    )
    amount_deviation = fields.Monetary(
        string="Deviation",
        compute="_compute_amount_deviation",
        store=True,
        help="How far the forecast of the window's opening was from the pure renewal, "
        "either way.",
    )

    @api.depends("snapshot_ids")
    def _compute_snapshot_count(self):
        for renewal in self:
            renewal.snapshot_count = len(renewal.snapshot_ids)

    @api.depends("snapshot_ids.kind", "snapshot_ids.amount_forecast")
    def _compute_kept(self):
        for renewal in self:
            kept = renewal.snapshot_ids.filtered(lambda one: one.kind == "window")
            renewal.is_forecast_kept = bool(kept)
            renewal.amount_kept = kept.amount_forecast

    @api.depends("is_forecast_kept", "amount_kept", "amount_pure", "outcome")
    def _compute_amount_deviation(self):
        for renewal in self:
            is_known = renewal.is_forecast_kept and renewal.outcome in DECIDED
            deviation = abs(renewal.amount_kept - renewal.amount_pure)
            renewal.amount_deviation = deviation if is_known else 0.0

    # ------------------------------------------------------------------
    # Called by the daily job
    # ------------------------------------------------------------------
    def _on_window_opened(self, day: date):
        """Forecast renewals whose window opens, and keep what was forecast.

        :param date day: nothing reads the clock below this point
        """
        renewals = self.filtered(lambda renewal: renewal.outcome == "open")
        renewals._refresh_forecast(day)
        for renewal in renewals:
            if not renewal.amount_target:
                # Until somebody aims higher, everything is to be renewed.
                renewal.with_context(
                    tracking_disable=True
                ).amount_target = renewal.amount_available
        renewals._take_snapshots("window", day)
        return super()._on_window_opened(day)

    def _process_daily(self, day: date):
        """Forecast open renewals anew, once a day; the first run of a month keeps it.

        When one of a batch fails, each is forecast on its own.

        :param date day: nothing reads the clock below this point
        """
        renewals = self.filtered(lambda renewal: renewal.outcome == "open")
        if renewals._saas_try(lambda batch: batch._forecast_and_keep(day)):
            for renewal in renewals:
                renewal._saas_attempt(
                    lambda one: one._forecast_and_keep(day),
                    FORECAST_FAILED,
                    "saas_retry_forecast",
                    resolves=True,
                    queue="sales_ops",
                    severity="high",
                )
        else:
            renewals._saas_resolve(FORECAST_FAILED)
        return super()._process_daily(day)

    def _forecast_and_keep(self, day: date):
        """Forecast what was not forecast on the day yet, and keep it once a month.

        :param date day: day of the forecast
        """
        self.filtered(lambda one: one.date_forecast != day)._refresh_forecast(day)
        self._take_snapshots("month", day)

    def _hand_on(self, other):
        """Let the record of the new term end know what was forecast at the window."""
        result = super()._hand_on(other)
        kept = self.snapshot_ids.filtered(lambda one: one.kind == "window")
        if kept and not other.is_forecast_kept:
            # sudo: nobody has the right to write snapshots; this is the code that does
            (vals,) = kept.sudo().copy_data({"renewal_id": other.id})
            kept.sudo().create(vals)
        return result

    def _take_snapshots(self, kind: str, day: date):
        """Keep the forecast, unless it was kept already.

        A window opens once; a month is kept once, by its window when that opened in it.

        :param str kind: ``window`` or ``month``
        :param date day: day of the forecast
        :return: the new ``saas.renewal.snapshot``
        """
        # sudo: nobody has the right to write snapshots; this is the code that does
        Snapshot = self.env["saas.renewal.snapshot"].sudo()
        domain = [("renewal_id", "in", self.ids)]
        if kind == "window":
            domain.append(("kind", "=", "window"))
        else:
            first = day.replace(day=1)
            domain += [
                ("date", ">=", first),
                ("date", "<", fields.Date.add(first, months=1)),
            ]
        missing = self.sudo() - Snapshot.search(domain).renewal_id
        return Snapshot.create(
            [renewal._prepare_snapshot_vals(kind, day) for renewal in missing]
        )

    def _prepare_snapshot_vals(self, kind: str, day: date) -> dict:
        """Prepare the copy of the forecast.

        :return: values of ``saas.renewal.snapshot``
        """
        self.ensure_one()
        return {
            "renewal_id": self.id,
            "kind": kind,
            "date": day,
            "category": self.category,
            "is_manual_category": self.is_manual_category,
            "likelihood": self.likelihood,
            "likelihood_reasons": self.likelihood_reasons,
            "amount_available": self.amount_available,
            "amount_forecast": self.amount_forecast,
            "amount_target": self.amount_target,
            "user_id": self.user_id.id,
            "company_id": self.company_id.id,
            "currency_id": self.currency_id.id,
        }
