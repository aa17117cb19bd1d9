# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..engine.errors import EngineError
from ..engine.renewal import Thresholds

BASE = "base"
THRESHOLDS = ("commit", "best_case", "at_risk")


class SaasRenewalSignal(models.Model):
    """How much something known about a customer counts in the renewal forecast.

    The rows are data: an administrator tunes the points, archives what should not
    count, and sets the starting point and where the categories begin.
    """

    _name = "saas.renewal.signal"
    _description = "Renewal Signal"
    _inherit = ["mail.thread"]
    _order = "kind, sequence, id"

    name = fields.Char(required=True, translate=True)
    code = fields.Char(
        required=True,
        help="Named by what reports the signal; don't change it for shipped rows.",
    )
    kind = fields.Selection(
        [
            ("base", "Starting point"),
            ("signal", "Signal"),
            ("threshold", "Category begins at"),
        ],
        required=True,
        default="signal",
    )
    sequence = fields.Integer(default=10)
    points = fields.Integer(
        required=True,
        default=0,
        aggregator=None,
        tracking=True,
        help="Percentage points added to the likelihood, negative to lower it; for "
        "the starting point and the categories a percentage.",
    )
    max_count = fields.Integer(
        string="Counts at Most",
        default=1,
        aggregator=None,
        required=True,
        tracking=True,
        help="A signal that is there several times, such as overdue invoices, counts "
        "up to this often.",
    )
    active = fields.Boolean(default=True, tracking=True)
    description = fields.Text(translate=True)

    _code_uniq = models.Constraint(
        "UNIQUE (kind, code)", "There is a signal with this code already."
    )
    _points_valid = models.Constraint(
        "CHECK (points BETWEEN -100 AND 100)", "Points lie between -100 and 100."
    )
    _percentage_valid = models.Constraint(
        "CHECK (kind = 'signal' OR points >= 0)",
        "The starting point and the categories are percentages from 0 to 100.",
    )
    _count_valid = models.Constraint(
        "CHECK (max_count >= 1)", "A signal counts at least once; archive it instead."
    )

    @api.constrains("kind", "code", "points", "active")
    def _check_thresholds(self):
        try:
            self._get_thresholds()
        except EngineError as error:
            raise ValidationError(
                self.env._(
                    "Commit must begin above best case, and best case above at risk. "
                    "Correct the percentages."
                )
            ) from error

    @api.model
    def _get_weights(self) -> dict:
        """Return points and how often they count, per code of the active signals."""
        # sudo: the forecast of a contract is the same whoever computes it
        rows = self.sudo().search([("kind", "=", "signal")])
        return {row.code: (row.points, row.max_count) for row in rows}

    @api.model
    def _get_base(self) -> int:
        """Return the likelihood of a renewal nothing is known about, in percent."""
        # sudo: as for the weights
        row = self.sudo().search([("kind", "=", "base"), ("code", "=", BASE)])
        return row.points if row else 70

    @api.model
    def _get_thresholds(self) -> Thresholds:
        """Return where the categories begin; archived rows keep the engine's values.

        :raise TermsError: they do not ascend
        """
        # sudo: as for the weights
        rows = self.sudo().search([("kind", "=", "threshold")])
        return Thresholds(
            **{row.code: row.points for row in rows if row.code in THRESHOLDS}
        )
