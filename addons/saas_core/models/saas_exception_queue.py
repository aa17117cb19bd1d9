# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .saas_exception import QUEUES

#: Roles that may work on exceptions they own.
WORK_ROLES = (
    "saas_core.group_saas_core_subscription_manager",
    "saas_core.group_saas_core_billing_operator",
    "saas_core.group_saas_core_billing_approver",
    "saas_core.group_saas_core_support_agent",
    "saas_core.group_saas_core_customer_success",
)
DEFAULT_DUE_HOURS = {"low": 120, "medium": 72, "high": 24, "critical": 4}


class SaasExceptionQueue(models.Model):
    """Who works on a queue of exceptions, and how fast.

    The queues themselves are fixed; a company sets owner and hours for each.
    """

    _name = "saas.exception.queue"
    _description = "Exception Queue"
    _order = "company_id, queue"
    _rec_name = "queue"

    queue = fields.Selection(QUEUES, required=True)
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        ondelete="cascade",
        default=lambda self: self.env.company,
    )
    owner_id = fields.Many2one(
        "res.users",
        string="Default Owner",
        ondelete="set null",
        index="btree_not_null",
        domain="[('share', '=', False), ('company_ids', 'in', company_id)]",
        help="Gets every new exception of the queue. Empty: they wait unassigned.",
    )
    due_hours_low = fields.Integer(string="Low (h)", default=120, required=True)
    due_hours_medium = fields.Integer(string="Medium (h)", default=72, required=True)
    due_hours_high = fields.Integer(string="High (h)", default=24, required=True)
    due_hours_critical = fields.Integer(string="Critical (h)", default=4, required=True)
    remind_hours = fields.Integer(
        string="Remind (h)",
        default=2,
        required=True,
        help="The owner is reminded once this many hours before the due time and once"
        " when it has passed.",
    )
    open_count = fields.Integer(string="Open", compute="_compute_counts")
    overdue_count = fields.Integer(string="Overdue", compute="_compute_counts")
    unassigned_count = fields.Integer(string="Unassigned", compute="_compute_counts")

    _queue_unique = models.Constraint(
        "UNIQUE (company_id, queue)", "The company has settings for this queue already."
    )
    _hours_positive = models.Constraint(
        "CHECK (due_hours_low > 0 AND due_hours_medium > 0 AND due_hours_high > 0"
        " AND due_hours_critical > 0 AND remind_hours >= 0)",
        "Hours must be positive.",
    )

    def _compute_counts(self):
        Exceptions = self.env["saas.exception"]
        base = [
            ("company_id", "in", self.company_id.ids),
            ("state", "in", ("open", "retrying")),
        ]
        extra = {
            "open_count": [],
            "overdue_count": [("due_at", "<", fields.Datetime.now())],
            "unassigned_count": [("owner_id", "=", False)],
        }
        for name, domain in extra.items():
            groups = Exceptions._read_group(
                base + domain, ["company_id", "queue"], ["__count"]
            )
            counts = {(company, queue): count for company, queue, count in groups}
            for row in self:
                row[name] = counts.get((row.company_id, row.queue), 0)

    @api.depends("queue")
    def _compute_display_name(self):
        labels = dict(self._fields["queue"]._description_selection(self.env))
        for row in self:
            row.display_name = labels.get(row.queue, "")

    @api.constrains("owner_id", "company_id")
    def _check_owner(self):
        for row in self:
            owner = row.owner_id
            if not owner:
                continue
            if not any(owner.has_group(role) for role in WORK_ROLES):
                raise ValidationError(
                    self.env._(
                        "%(user)s has no SaaS role that works on exceptions. Give the"
                        " user a role first.",
                        user=owner.name,
                    )
                )
            if row.company_id not in owner.company_ids:
                raise ValidationError(
                    self.env._(
                        "%(user)s does not work for %(company)s.",
                        user=owner.name,
                        company=row.company_id.name,
                    )
                )

    # ------------------------------------------------------------------
    # Business
    # ------------------------------------------------------------------
    @api.model
    def _ensure_all(self):
        """Create the missing settings of every company, with default hours."""
        # Companies are made by people who know nothing about queues.
        Settings = self.sudo().with_context(active_test=False)
        have = {(row.company_id.id, row.queue) for row in Settings.search([])}
        companies = self.env["res.company"].sudo().search([])
        Settings.create(
            [
                {"company_id": company.id, "queue": queue}
                for company in companies
                for queue, _label in QUEUES
                if (company.id, queue) not in have
            ]
        )

    @api.model
    def _get_for(self, company, queue):
        """Return the settings of a queue, or an empty record.

        :param company: ``res.company``
        :param str queue: key of the queue
        """
        # Whoever raises an exception need not read the settings.
        return self.sudo().search(
            [("company_id", "=", company.id), ("queue", "=", queue)], limit=1
        )

    def _get_due_at(self, severity, start):
        """Return when an exception of a severity is due.

        :param str severity: key of the severity
        :param datetime start: naive UTC
        :return: naive UTC datetime
        """
        hours = self[f"due_hours_{severity}"] if self else DEFAULT_DUE_HOURS[severity]
        return start + timedelta(hours=hours)

    def _get_reminder_at(self, due_at, now):
        """Return the first reminder: before the due time, or at it if that is past."""
        early = due_at - timedelta(hours=self.remind_hours if self else 2)
        return early if early > now else due_at

    def action_view_open(self):
        """Open the worklist of the queue.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_core.saas_exception_action"
        )
        action["name"] = self.display_name
        action["domain"] = [
            ("queue", "=", self.queue),
            ("company_id", "=", self.company_id.id),
        ]
        action["context"] = {"search_default_open": 1, "create": False}
        return action
