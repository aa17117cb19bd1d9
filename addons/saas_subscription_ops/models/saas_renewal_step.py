# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

ACTIONS = [
    ("opportunity", "Open the opportunity"),
    ("activity", "Give the owner an activity"),
    ("quote", "Make the renewal quotation"),
    ("remind", "Remind the customer"),
]


class SaasRenewalStep(models.Model):
    """What happens a number of days before a term ends."""

    _name = "saas.renewal.step"
    _description = "Renewal Step"
    _order = "days_before desc, sequence, id"
    _check_company_auto = True

    plan_id = fields.Many2one(
        "saas.plan",
        index="btree_not_null",
        ondelete="cascade",
        help="Empty: for all plans without steps of their own.",
    )
    company_id = fields.Many2one(
        related="plan_id.company_id", store=True, index=True, precompute=True
    )
    active = fields.Boolean(default=True)
    sequence = fields.Integer(default=10)
    days_before = fields.Integer(
        required=True,
        default=90,
        help="Days before the end of the term. A step longer than the term falls on "
        "its first day.",
    )
    action = fields.Selection(ACTIONS, required=True, default="activity")
    applies_to = fields.Selection(
        [
            ("all", "All contracts"),
            ("auto_renew", "Renewing by themselves"),
            ("expiring", "Expiring unless signed"),
        ],
        required=True,
        default="all",
    )
    summary = fields.Char(
        translate=True, help="Title of the activity, or of the opportunity."
    )
    mail_template_id = fields.Many2one(
        "mail.template",
        ondelete="restrict",
        help="Reminder: what the customer gets. Quotation: sent with it at once; "
        "empty: it stays a draft for the owner to check and send.",
    )
    term_months = fields.Integer(
        string="Term (months)", help="Length of the quoted term. 0: as the plan says."
    )
    uplift = fields.Float(
        string="Uplift (%)",
        help="Percent on every recurring price of the quotation. 0: as the plan says.",
    )
    pricelist_id = fields.Many2one(
        "product.pricelist",
        ondelete="restrict",
        check_company=True,
        help="The quotation takes its prices from this list. Empty: the same prices.",
    )

    _days_not_negative = models.Constraint(
        "CHECK (days_before >= 0)", "A step lies before the end of the term: 0 or more."
    )
    _term_not_negative = models.Constraint(
        "CHECK (term_months >= 0)", "A term can't be negative. 0: as the plan says."
    )
    _uplift_possible = models.Constraint(
        "CHECK (uplift >= -100)", "A price can't fall by more than 100 percent."
    )

    @api.constrains("action", "mail_template_id")
    def _check_mail_template(self):
        models_by_action = {"remind": "saas.renewal", "quote": "sale.order"}
        for step in self:
            template = step.mail_template_id
            needed = models_by_action.get(step.action)
            if step.action == "remind" and not template:
                raise ValidationError(
                    self.env._("A reminder needs the mail template the customer gets.")
                )
            # sudo: editors of plans need not read models
            if template and needed and template.sudo().model != needed:
                raise ValidationError(
                    self.env._(
                        "The template %(template)s does not fit the step: choose one "
                        "for %(model)s.",
                        template=template.name,
                        model=self.env[needed]._description,
                    )
                )

    @api.depends("action", "days_before")
    def _compute_display_name(self):
        labels = dict(self._fields["action"]._description_selection(self.env))
        for step in self:
            step.display_name = self.env._(
                "%(action)s, %(days)s days before",
                action=labels.get(step.action, ""),
                days=step.days_before,
            )
