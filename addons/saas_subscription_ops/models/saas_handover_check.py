# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .saas_handover import PROMISES
from .saas_handover_contact import CONTACT_ROLES


class SaasHandoverCheck(models.Model):
    """One point of the readiness check: what a handover must or should say."""

    _name = "saas.handover.check"
    _description = "Handover Readiness Check"
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    field = fields.Selection(
        selection="_selection_field",
        string="Must Be Filled In",
        required=True,
        help="Field of the handover; your own fields (x_...) can be chosen too.",
    )
    contact_role = fields.Selection(
        CONTACT_ROLES,
        string="With the Role",
        help="For contacts: one of them must have this role. Empty: anybody will do.",
    )
    message = fields.Char(
        required=True,
        translate=True,
        help="What the salesperson reads: what is missing and what to do.",
    )
    is_blocking = fields.Boolean(
        string="Blocks",
        default=True,
        help="The quotation can't be sent or confirmed without it. Otherwise advice.",
    )
    plan_ids = fields.Many2many(
        "saas.plan",
        "saas_handover_check_plan_rel",
        string="Only for Plans",
        help="Empty: for all plans.",
    )
    template_ids = fields.Many2many(
        "project.project",
        "saas_handover_check_template_rel",
        string="Only for Templates",
        domain=[("is_template", "=", True)],
        help="Empty: for all onboarding templates.",
    )
    company_id = fields.Many2one(
        "res.company", index="btree_not_null", help="Empty: for all companies."
    )

    @api.model
    def _selection_field(self):
        fields_ = self.env["saas.handover"]._fields
        names = [*PROMISES, *sorted(name for name in fields_ if name.startswith("x_"))]
        return [(name, fields_[name]._description_string(self.env)) for name in names]

    @api.constrains("field", "contact_role")
    def _check_contact_role(self):
        for check in self:
            if check.contact_role and check.field != "contact_ids":
                raise ValidationError(
                    self.env._(
                        "%(name)s: only contacts have a role. Choose the field "
                        "Contacts, or clear the role.",
                        name=check.name,
                    )
                )

    @api.model
    def _get_for(self, handover):
        """Return the checks a handover is measured by.

        :param handover: ``saas.handover``
        :return: active checks of its company that fit the plans and templates of its
            orders; those limited to none apply always
        """
        # sudo: the check applies whoever looks
        checks = self.sudo().search(
            [("company_id", "in", (False, handover.company_id.id))]
        )
        if not (checks.plan_ids or checks.template_ids):
            return checks
        orders = handover.order_id or handover.lead_id.order_ids.filtered(
            lambda order: order.state != "cancel"
        )
        templates = self.env["project.project"].sudo()
        for order in orders:
            templates |= order._saas_get_onboarding_templates()
        plans = orders.saas_plan_id
        return checks.filtered(
            lambda check: (
                (not check.plan_ids or check.plan_ids & plans)
                and (not check.template_ids or check.template_ids & templates)
            )
        )

    def _is_met(self, handover) -> bool:
        """Return whether a handover fulfils the check.

        :param handover: ``saas.handover``
        """
        self.ensure_one()
        if self.field not in handover._fields:
            return True
        value = handover[self.field]
        if self.contact_role:
            value = value.filtered(lambda contact: contact.role == self.contact_role)
        return bool(value.strip() if isinstance(value, str) else value)
