# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import csv

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..engine.errors import TermsError
from ..engine.filters import COMPARISONS, Condition


class SaasMeterFilter(models.Model):
    """A condition an event has to fulfil to be counted by a meter."""

    _name = "saas.meter.filter"
    _description = "Meter Condition"
    _order = "meter_id, sequence, id"

    meter_id = fields.Many2one(
        "saas.meter", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="meter_id.company_id", store=True, index=True)
    sequence = fields.Integer(default=10)
    key = fields.Char(
        required=True, help="Key in the event's data, for example region."
    )
    operator = fields.Selection(
        [
            ("=", "is"),
            ("!=", "is not"),
            ("in", "is one of"),
            ("not_in", "is none of"),
            (">", "is more than"),
            (">=", "is at least"),
            ("<", "is less than"),
            ("<=", "is at most"),
            ("starts_with", "starts with"),
            ("exists", "is there"),
            ("missing", "is not there"),
        ],
        required=True,
        default="=",
    )
    value = fields.Char(
        help="Texts are compared exactly, also upper and lower case; numbers by their"
        " value. Separate several by commas, put one that has a comma in quotes."
    )

    @api.depends("key", "operator", "value")
    def _compute_display_name(self):
        words = dict(self._fields["operator"]._description_selection(self.env))
        for row in self:
            parts = row.key, words.get(row.operator), row.value
            row.display_name = " ".join(filter(None, parts))

    @api.onchange("operator")
    def _onchange_operator(self):
        if self.operator in ("exists", "missing"):
            self.value = False

    @api.constrains("key", "operator", "value")
    def _check_condition(self):
        for row in self:
            if not (row.key or "").strip():
                raise ValidationError(
                    self.env._(
                        "%(meter)s: say which key of the event's data a condition is"
                        " about.",
                        meter=row.meter_id.name,
                    )
                )
            try:
                row._get_condition()
            except TermsError as error:
                raise ValidationError(row._get_problem()) from error

    def _get_problem(self):
        """Say what is wrong with the value, and what to enter."""
        words = {"meter": self.meter_id.name, "key": self.key, "value": self.value}
        if self.operator in ("exists", "missing"):
            return self.env._(
                "%(meter)s: whether “%(key)s” is there needs no value. Empty it, or"
                " compare with “is”.",
                **words,
            )
        if not self._get_values():
            return self.env._(
                "%(meter)s: enter the value “%(key)s” is compared with.", **words
            )
        if self.operator in COMPARISONS:
            return self.env._(
                "%(meter)s: “%(key)s” is compared with a number; “%(value)s” is none."
                " Enter one with a decimal point and without separators, like 1234.5.",
                **words,
            )
        return self.env._(
            "%(meter)s: the condition on “%(key)s” with the value “%(value)s” cannot be"
            " used. Enter one value, or choose “is one of”.",
            **words,
        )

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        rows = super().create(vals_list)
        rows.meter_id._check_definition_free()
        return rows

    def write(self, vals):
        if set(vals) - {"sequence"}:
            self.meter_id._check_definition_free()
        # Last: what is looked up on the way must not be remembered.
        self.env.registry.clear_cache()
        return super().write(vals)

    def unlink(self):
        self.meter_id._check_definition_free()
        result = super().unlink()
        self.env.registry.clear_cache()
        return result

    def _get_values(self):
        """Return the values as a list of texts, without empty ones."""
        if self.operator not in ("in", "not_in"):
            return [self.value] if self.value else []
        found = next(csv.reader([self.value or ""], skipinitialspace=True), [])
        return [text.strip() for text in found if text.strip()]

    def _get_condition(self):
        """Return the engine's condition.

        :return: ``Condition``
        :raise TermsError: the value does not fit the operator
        """
        self.ensure_one()
        return Condition(self.key, self.operator, tuple(self._get_values()))
