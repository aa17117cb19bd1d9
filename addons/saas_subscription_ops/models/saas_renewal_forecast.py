# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What is expected of a renewal: likelihood with reasons, category, forecast."""

from datetime import date

from markupsafe import Markup

from odoo import api, fields, models

from ..engine import renewal as engine
from ..exceptions import RenewalError
from .saas_renewal import CATEGORIES
from .saas_subscription_billing import to_decimal

#: What makes no sense any more once it is decided.
FORECAST_FIELDS = frozenset(
    {"category", "is_manual_category", "amount_forecast", "amount_target"}
)
#: Once it is decided the category says what came.
OUTCOME_CATEGORIES = {"renewed": "commit", "expired": "lost", "cancelled": "lost"}
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
    is_given_up = fields.Boolean(
        string="Given Up",
        readonly=True,
        copy=False,
        help="Lost because its opportunity was marked as lost, so restoring the "
        "opportunity takes it up again.",
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
        if "amount_available" in vals:
            self._clip_forecast()
        return result

    def _note_hand(self, vals: dict):
        """Keep that a person set something, who and when.

        :param dict vals: what was written
        :raise RenewalError: the renewal is decided, or the amount makes no sense
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
        self._check_amounts(vals)
        notes = {}
        if "category" in vals or vals.get("is_manual_category"):
            notes = self._prepare_choice(self.env.user)
            if "category" in vals:
                # The amount follows the choice, unless it was entered with it.
                notes["is_manual_forecast"] = False
        elif "is_manual_category" in vals:
            notes = self._prepare_choice()
        if "amount_forecast" in vals:
            notes["is_manual_forecast"] = True
        if notes:
            # sudo: who and when are no choice of the person
            self.sudo().write(notes)

    def _prepare_choice(self, user=None, is_given_up: bool = False) -> dict:
        """Prepare who chose the category and when; without a user nobody did.

        :param user: ``res.users``
        :param bool is_given_up: chosen by marking the opportunity as lost
        """
        return {
            "is_manual_category": bool(user),
            "category_user_id": user.id if user else False,
            "category_date": fields.Date.context_today(self) if user else False,
            "is_given_up": is_given_up,
        }

    def _check_amounts(self, vals: dict):
        """Refuse amounts that can't come: expansion is never part of the forecast.

        :param dict vals: what was written
        :raise RenewalError: below zero, or more than is available
        """
        for renewal in self:
            compare = renewal.currency_id.compare_amounts
            if "amount_target" in vals and compare(renewal.amount_target, 0.0) < 0:
                raise RenewalError(
                    self.env._(
                        "%(name)s: a target can't be negative. Enter zero or more.",
                        name=renewal.display_name,
                    )
                )
            if "amount_forecast" not in vals:
                continue
            available = max(renewal.amount_available, 0.0)
            forecast = renewal.amount_forecast
            if compare(forecast, 0.0) < 0 or compare(forecast, available) > 0:
                raise RenewalError(
                    self.env._(
                        "%(name)s: the forecast lies between zero and %(available)s, "
                        "which can be renewed; expansion is not part of it. Enter an "
                        "amount in between, and what you aim for as the target.",
                        name=renewal.display_name,
                        available=renewal.currency_id.format(available),
                    )
                )

    def _clip_forecast(self):
        """Let no forecast exceed what is available by now."""
        # sudo: the bound follows from the contract
        for renewal in self.sudo().filtered(lambda renewal: renewal.outcome == "open"):
            available = max(renewal.amount_available, 0.0)
            if (
                renewal.currency_id.compare_amounts(renewal.amount_forecast, available)
                > 0
            ):
                renewal._set_changed({"amount_forecast": available})

    def _give_up(self):
        """Set lost what is not, since the opportunity was marked as lost."""
        renewals = self.filtered(
            lambda r: r.category != "lost" or not r.is_manual_category
        )
        renewals.write(
            {
                "category": "lost",
                "is_manual_forecast": False,
                **self._prepare_choice(self.env.user, is_given_up=True),
            }
        )
        # Also an amount that was entered with the category: nothing will come.
        self.filtered(
            lambda r: (
                r.is_manual_forecast or not r.currency_id.is_zero(r.amount_forecast)
            )
        ).write({"is_manual_forecast": False, "amount_forecast": 0.0})

    def _take_up_again(self):
        """Give what the opportunity gave up back to the likelihood."""
        self.write(
            {"category": "at_risk", "lost_reason_id": False, **self._prepare_choice()}
        )

    def action_follow_likelihood(self) -> bool:
        """Give category and forecast back to the likelihood.

        :return: True
        """
        self.check_access("write")
        # sudo: nothing but what the engine says is written
        renewals = self.filtered(lambda renewal: renewal.outcome == "open").sudo()
        renewals._refresh_forecast(fields.Date.context_today(self))
        renewals.write({"is_manual_forecast": False, **self._prepare_choice()})
        return True

    def action_refresh_forecast(self) -> bool:
        """Look at the signals of today.

        :return: True
        """
        self.check_access("write")
        self._refresh_forecast(fields.Date.context_today(self))
        return True

    def saas_retry_forecast(self):
        """Forecast again, from the exception queue.

        :raise UserError: still failing
        """
        self.action_refresh_forecast()

    def _hand_on(self, other):
        result = super()._hand_on(other)
        if not other.currency_id.is_zero(other.amount_available):
            other._clip_forecast()
        return result

    def _on_outcome(self, before: str):
        """Let the category say what came, or again what is expected."""
        result = super()._on_outcome(before)
        category = OUTCOME_CATEGORIES.get(self.outcome)
        if category and self.category != category:
            # What was expected until now is kept in the snapshots.
            self.write(
                {
                    "category": category,
                    "is_manual_category": False,
                    "is_given_up": False,
                }
            )
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
                        to_decimal(renewal.amount_available),
                        chosen,
                        renewal.likelihood,
                        thresholds,
                        to_decimal(renewal.currency_id.rounding),
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
