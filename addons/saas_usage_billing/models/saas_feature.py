# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError

_CODE = re.compile(r"[a-z0-9][a-z0-9._-]*")


class SaasFeature(models.Model):
    """Something a product asks about: may this customer use it, and how much of it?"""

    _name = "saas.feature"
    _description = "Feature"
    _inherit = ["mail.thread"]
    _order = "sequence, code, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True, tracking=True)
    code = fields.Char(
        required=True,
        tracking=True,
        help="What the product asks for, for example api.calls. Small letters, digits,"
        " dots, dashes and underscores.",
    )
    active = fields.Boolean(default=True, tracking=True)
    sequence = fields.Integer(default=10)
    company_id = fields.Many2one(
        "res.company",
        index=True,
        ondelete="restrict",
        default=lambda self: self.env.company,
        help="Empty: for all companies.",
    )
    kind = fields.Selection(
        [
            ("flag", "On or Off"),
            ("limit", "Limit"),
            ("metered", "Metered Limit"),
            ("text", "Text"),
        ],
        required=True,
        default="flag",
        tracking=True,
        help="On or off: may be used or not.\n"
        "Limit: a number the product keeps to, for example seats.\n"
        "Metered limit: per period, with what was used of it so far.\n"
        "Text: a word, for example the level of support.",
    )
    meter_id = fields.Many2one(
        "saas.meter",
        ondelete="restrict",
        index="btree_not_null",
        check_company=True,
        tracking=True,
        help="Measures what was used of a metered limit in the running period.",
    )
    description = fields.Text(translate=True)
    entitlement_ids = fields.One2many("saas.entitlement", "feature_id", copy=True)
    entitlement_count = fields.Integer(compute="_compute_entitlement_count")

    _code_unique = models.UniqueIndex(
        "(code, COALESCE(company_id, 0))", "There is a feature with this code already."
    )

    @api.depends("entitlement_ids")
    def _compute_entitlement_count(self):
        counts = dict(
            self.env["saas.entitlement"]._read_group(
                [("feature_id", "in", self.ids)], ["feature_id"], ["__count"]
            )
        )
        for feature in self:
            feature.entitlement_count = counts.get(feature._origin, 0)

    @api.depends("name", "code")
    def _compute_display_name(self):
        for feature in self:
            code = f" ({feature.code})" if feature.code else ""
            feature.display_name = f"{feature.name or ''}{code}"

    @api.constrains("code")
    def _check_code(self):
        for feature in self:
            if not _CODE.fullmatch(feature.code or ""):
                raise ValidationError(
                    self.env._(
                        "“%(code)s” cannot be asked for. Use small letters, digits,"
                        " dots, dashes and underscores, for example api.calls.",
                        code=feature.code,
                    )
                )

    @api.constrains("kind", "meter_id")
    def _check_meter(self):
        for feature in self:
            if feature.kind == "metered" and not feature.meter_id:
                raise ValidationError(
                    self.env._(
                        "%(name)s: choose the meter that measures what was used.",
                        name=feature.name,
                    )
                )

    def copy_data(self, default=None):
        data = super().copy_data(default)
        if "code" not in (default or {}):
            for feature, vals in zip(self, data, strict=True):
                vals["code"] = f"{feature.code}-copy"
        return data

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        self.env.registry.clear_cache()
        return super().write(vals)

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()

    def action_view_entitlements(self) -> dict:
        """Open who has the feature.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_entitlement_action"
        )
        action["domain"] = [("feature_id", "=", self.id)]
        action["context"] = {"default_feature_id": self.id}
        return action
