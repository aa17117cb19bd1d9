# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What is expected of a renewal: likelihood with reasons, category, forecast."""

from datetime import date
from decimal import Decimal

from markupsafe import Markup

from odoo import api, fields, models

from ..engine import renewal as engine
from ..exceptions import RenewalError
from .saas_renewal import CATEGORIES

#: What makes no sense any more once it is decided.
FORECAST_FIELDS = frozenset(
    {"category", "is_manual_category", "amount_forecast", "amount_target"}
)
#: Once it is decided the category says what came.
OUTCOME_CATEGORIES = {"renewed": "commit", "expired": "lost", "cancelled": "lost"}
#: What the record of another term end takes over, besides who chose the category.
HANDED_ON = (
    "is_manual_forecast",
    "category_date",
    "date_forecast",
    "likelihood",
    "likelihood_reasons",
    "signal_data",
)
#: What category and forecast are derived from.
FORECAST_INPUTS = frozenset(
    {
        "category",
        "is_manual_category",
        "is_manual_forecast",
        "amount_available",
    }
)


class SaasRenewal(models.Model):
    _inherit = "saas.renewal"

    category = fields.Selection(CATEGORIES, group_expand=True)
    category_user_id = fields.Many2one(
        "res.users",
        string="Category Set By",
        readonly=True,
        copy=False,
        ondelete="restrict",
    )
    category_date = fields.Date(string="Category Set On", readonly=True, copy=False)
    is_manual_forecast = fields.Boolean(
        string="Forecast by Hand",
        readonly=True,
        copy=False,
        help="The forecast was entered by a person and does not follow the likelihood.",
    )
    date_forecast = fields.Date(
        string="Forecast Of",
        readonly=True,
        copy=False,
        help="Day on which the likelihood was computed.",
    )
    signal_data = fields.Json(string="Signals", readonly=True, copy=False)
    signal_html = fields.Html(
        string="Likelihood Reasons", compute="_compute_signal_html", sanitize=False
    )

    @api.depends("signal_data")
    def _compute_signal_html(self):
        row = Markup(
            '<li><span class="badge rounded-pill text-bg-%s me-2">%s</span>%s</li>'
        )
        for renewal in self:
            rows = [
                row
                % (
                    "success" if signal["points"] > 0 else "danger",
                    f"{signal['points']:+d}",
                    signal["words"],
                )
                for signal in renewal.signal_data or []
            ]
            renewal.signal_html = (
                Markup('<ul class="list-unstyled mb-0">%s</ul>') % Markup("").join(rows)
                if rows
                else False
            )

    # ------------------------------------------------------------------
    # By hand
    # ------------------------------------------------------------------
    def write(self, vals):
        result = super().write(vals)
        if not self.env.su:
            self._note_hand(vals)
        if FORECAST_INPUTS & vals.keys():
            # sudo: what follows from a choice is the same whoever makes it
            renewals = self.sudo().filtered(
                lambda renewal: renewal.outcome == "open" and renewal.date_forecast
            )
            renewals._apply_forecast()
        return result

    def _note_hand(self, vals: dict):
        """Keep that a person set something, who and when.

        :param dict vals: what was written
        :raise RenewalError: the renewal is decided
        """
        if not FORECAST_FIELDS & vals.keys():
            return
        decided = self.filtered(lambda renewal: renewal.outcome != "open")
        if decided:
            raise RenewalError(
                self.env._(
                    "%(names)s: decided already, a forecast can no longer be changed. "
                    "What was forecast is kept in its snapshots.",
                    names=", ".join(decided.mapped("display_name")),
                )
            )
        notes = {}
        if "category" in vals:
            notes = {
                "is_manual_category": True,
                "category_user_id": self.env.uid,
                "category_date": fields.Date.context_today(self),
                # The amount follows the choice, unless it was entered with it.
                "is_manual_forecast": False,
            }
        elif "is_manual_category" in vals and not vals["is_manual_category"]:
            notes = {"category_user_id": False, "category_date": False}
        if "amount_forecast" in vals:
            notes["is_manual_forecast"] = True
        if notes:
            # sudo: who and when are no choice of the person
            self.sudo().write(notes)

    def action_follow_likelihood(self) -> bool:
        """Give category and forecast back to the likelihood.

        :return: True
        """
        self.check_access("write")
        # sudo: nothing but what the engine says is written
        renewals = self.filtered(lambda renewal: renewal.outcome == "open").sudo()
        renewals._refresh_forecast(fields.Date.context_today(self))
        renewals.write(
            {
                "is_manual_category": False,
                "is_manual_forecast": False,
                "category_user_id": False,
                "category_date": False,
            }
        )
        return True

    def action_refresh_forecast(self) -> bool:
        """Look at the signals of today.

        :return: True
        """
        self.check_access("write")
        self._refresh_forecast(fields.Date.context_today(self))
        return True

    def _hand_on(self, other):
        result = super()._hand_on(other)
        vals = {name: self[name] for name in HANDED_ON}
        other.write({**vals, "category_user_id": self.category_user_id.id})
        return result

    def _on_outcome(self, before: str):
        """Let the category say what came, or again what is expected."""
        result = super()._on_outcome(before)
        category = OUTCOME_CATEGORIES.get(self.outcome)
        if category and self.category != category:
            # What was expected until now is kept in the snapshots.
            self.write({"category": category, "is_manual_category": False})
        elif self.outcome == "open" and self.date_forecast:
            self._apply_forecast()
        return result

    # ------------------------------------------------------------------
    # By the engine
    # ------------------------------------------------------------------
    def _refresh_forecast(self, day: date):
        """Bring likelihood, category and forecast of open renewals to a day.

        What a person set stays.

        :param date day: nothing reads the clock below this point
        """
        # sudo: the forecast is the same whoever lets it be computed
        renewals = self.sudo().filtered(lambda renewal: renewal.outcome == "open")
        found = renewals.subscription_id._collect_renewal_signals(day)
        base = self.env["saas.renewal.signal"]._get_base()
        for renewal in renewals:
            got = engine.likelihood(
                base,
                [engine.Signal(*row) for row in found[renewal.subscription_id.id]],
            )
            renewal._set_changed(renewal._prepare_likelihood_vals(got, day))
        renewals._apply_forecast()
        return super()._refresh_forecast(day)

    def _prepare_likelihood_vals(self, got: engine.Likelihood, day: date) -> dict:
        """Prepare the likelihood and its reasons.

        :param Likelihood got: of the engine
        :param date day: day of the forecast
        """
        return {
            "likelihood": got.value,
            "likelihood_reasons": "\n".join(
                f"{signal.points:+d} {signal.words}" for signal in got.reasons
            ),
            "signal_data": [
                {"code": s.code, "points": s.points, "words": s.words}
                for s in got.reasons
            ],
            "date_forecast": day,
        }

    def _apply_forecast(self):
        """Derive category and forecast from the likelihood, unless set by a person."""
        thresholds = self.env["saas.renewal.signal"]._get_thresholds()
        for renewal in self:
            vals = {}
            chosen = renewal.category
            if not renewal.is_manual_category:
                chosen = vals["category"] = renewal._get_engine_category(thresholds)
            if not renewal.is_manual_forecast:
                vals["amount_forecast"] = float(
                    engine.forecast(
                        renewal._to_decimal(renewal.amount_available),
                        chosen,
                        renewal.likelihood,
                        thresholds,
                        renewal._to_decimal(renewal.currency_id.rounding),
                    )
                )
            renewal._set_changed(vals)

    def _get_engine_category(self, thresholds: engine.Thresholds) -> str:
        """Return the category the likelihood gives.

        A contract that renews by itself and can no longer be cancelled is committed,
        whatever else speaks against it.

        :param Thresholds thresholds: where the categories begin
        """
        codes = {signal["code"] for signal in self.signal_data or []}
        if "notice_passed" in codes and "cancelled" not in codes:
            return engine.COMMIT
        return engine.category(self.likelihood, thresholds)

    @api.model
    def _to_decimal(self, value: float) -> Decimal:
        """Return the decimal a stored amount stands for."""
        return Decimal(str(value or 0))

    def _set_changed(self, vals: dict):
        """Write what differs, so that a quiet day leaves no trace.

        :param dict vals: values of one renewal
        """
        self.ensure_one()
        changed = {
            name: value
            for name, value in vals.items()
            if self._fields[name].convert_to_cache(value, self)
            != self._fields[name].convert_to_cache(self[name], self)
        }
        # Amounts move with every signal: the chatter tells of categories only.
        category = changed.pop("category", None)
        if changed:
            self.with_context(tracking_disable=True).write(changed)
        if category:
            self.write({"category": category})
