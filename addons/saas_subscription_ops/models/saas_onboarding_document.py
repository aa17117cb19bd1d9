# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..exceptions import OnboardingDocumentError

OPEN_STATES = ("draft", "requested", "received", "refused")
# Whom a document waits for in each state.
WAITING_SIDES = {"requested": "customer", "refused": "customer", "received": "us"}


class SaasOnboardingDocument(models.Model):
    """One document an onboarding needs from the customer, with all its versions.

    On a project template it is a draft that every project made from it gets a copy of.
    """

    _name = "saas.onboarding.document"
    _description = "Onboarding Document"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "saas.state.mixin",
        "saas.guard.mixin",
    ]
    _own_fields = (
        "state",
        "refuse_reason",
        "waive_reason",
        "requested_on",
        "reminded_on",
        "reminder_count",
        "received_at",
        "decided_by_id",
        "version_ids",
        "origin_id",
        "package_id",
    )
    _order = "project_id, sequence, id"
    _check_company_auto = True

    project_id = fields.Many2one(
        "project.project",
        required=True,
        index=True,
        ondelete="cascade",
        tracking=True,
    )
    is_template = fields.Boolean(related="project_id.is_template", store=True)
    company_id = fields.Many2one(related="project_id.company_id", store=True)
    partner_id = fields.Many2one(
        related="project_id.partner_id", string="Customer", store=True, index=True
    )
    user_id = fields.Many2one(related="project_id.user_id", string="Project Manager")
    sequence = fields.Integer(default=10)
    name = fields.Char(required=True, translate=True)
    description = fields.Text(
        translate=True,
        help="What the customer reads: what is needed, and in which form.",
    )
    package_id = fields.Many2one(
        "saas.onboarding.package",
        copy=False,
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    milestone_id = fields.Many2one(
        "project.milestone",
        index="btree_not_null",
        ondelete="set null",
        tracking=True,
        domain="[('project_id', '=', project_id)]",
        help="This milestone can't be reached while a required document is open.",
    )
    is_required = fields.Boolean(string="Required", default=True, tracking=True)
    saas_day_offset = fields.Integer(
        string="Due After (Working Days)",
        help="In an onboarding template: the document is due this many working days of "
        "the company calendar after the kick-off. 0: no deadline.",
    )
    due_date = fields.Date(string="Due", copy=False, tracking=True, index=True)
    is_overdue = fields.Boolean(compute="_compute_is_overdue")
    state = fields.Selection(
        [
            ("draft", "To Request"),
            ("requested", "Requested"),
            ("received", "To Review"),
            ("refused", "Refused"),
            ("accepted", "Accepted"),
            ("waived", "Waived"),
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        tracking=True,
        group_expand=True,
    )
    is_open = fields.Boolean(compute="_compute_is_open", search="_search_is_open")
    refuse_reason = fields.Text(copy=False, readonly=True)
    waive_reason = fields.Text(copy=False, readonly=True)
    requested_on = fields.Date(copy=False, readonly=True)
    received_at = fields.Datetime(string="Received", copy=False, readonly=True)
    decided_by_id = fields.Many2one("res.users", copy=False, readonly=True)
    reminder_days = fields.Integer(
        string="Remind Every (Working Days)",
        default=3,
        help="The customer is reminded this often, at most three times. 0: never.",
    )
    reminder_count = fields.Integer(string="Reminders", copy=False, readonly=True)
    reminded_on = fields.Date(string="Last Reminder", copy=False, readonly=True)
    version_ids = fields.One2many(
        "saas.onboarding.document.version", "document_id", copy=False, readonly=True
    )
    version_count = fields.Integer(compute="_compute_current_version")
    current_version_id = fields.Many2one(
        "saas.onboarding.document.version", compute="_compute_current_version"
    )
    origin_id = fields.Many2one(
        "saas.onboarding.document",
        string="Template Document",
        copy=False,
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )

    _reminder_days_positive = models.Constraint(
        "CHECK (reminder_days >= 0)", "Reminders can't be every negative days."
    )
    _saas_day_offset_positive = models.Constraint(
        "CHECK (saas_day_offset >= 0)",
        "A document is due after the kick-off: the number of days can't be negative.",
    )

    # ------------------------------------------------------------------
    # Compute
    # ------------------------------------------------------------------
    @api.depends("state")
    def _compute_is_open(self):
        for document in self:
            document.is_open = document.state in OPEN_STATES

    def _search_is_open(self, operator, value):
        if operator != "in":
            return NotImplemented
        found = [
            *(OPEN_STATES if True in value else ()),
            *(("accepted", "waived") if False in value else ()),
        ]
        return [("state", "in", found)]

    @api.depends("state", "due_date")
    def _compute_is_overdue(self):
        today = fields.Date.context_today(self)
        for document in self:
            due = document.due_date
            document.is_overdue = bool(due and document.is_open and due < today)

    @api.depends("version_ids")
    def _compute_current_version(self):
        for document in self:
            versions = document.version_ids.sorted("number")
            document.current_version_id = versions[-1:]
            document.version_count = len(versions)

    # ------------------------------------------------------------------
    # Constrains
    # ------------------------------------------------------------------
    @api.constrains("project_id", "milestone_id")
    def _check_milestone_project(self):
        for document in self:
            milestone = document.milestone_id
            if milestone and milestone.project_id != document.project_id:
                raise ValidationError(
                    self.env._(
                        "%(document)s: the milestone %(milestone)s belongs to another "
                        "project. Choose one of %(project)s.",
                        document=document.name,
                        milestone=milestone.name,
                        project=document.project_id.name,
                    )
                )

    @api.constrains("milestone_id", "is_required")
    def _check_milestone_not_reached(self):
        """Nothing required may become open behind a milestone that was reached."""
        blocking = self.filtered(
            lambda doc: doc.is_required and doc.is_open and doc.milestone_id
        )
        blocking.milestone_id._saas_lock()
        for document in blocking:
            if document.milestone_id.is_reached:
                raise ValidationError(
                    self.env._(
                        "%(milestone)s was reached already, so it can't wait for "
                        "%(document)s. Choose a later milestone, or make the document "
                        "optional.",
                        milestone=document.milestone_id.name,
                        document=document.name,
                    )
                )

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    def write(self, vals):
        if "project_id" in vals and any(
            document.project_id.id != vals["project_id"] for document in self
        ):
            raise ValidationError(
                self.env._(
                    "A document stays with its project. Make a new one in the other "
                    "project."
                )
            )
        self._check_not_bypassed(vals)
        return super().write(vals)

    def _check_not_bypassed(self, vals: dict):
        """Refuse to take a document off its milestone once the customer was asked.

        Doing without it is a decision with a reason: Waive.

        :param dict vals: values of ``write``
        :raise OnboardingDocumentError: the milestone would not wait for it any more
        """
        if self.env.su:
            return
        for document in self:
            milestone = document.milestone_id
            frees = ("is_required" in vals and not vals["is_required"]) or (
                "milestone_id" in vals and vals["milestone_id"] != milestone.id
            )
            if (
                frees
                and milestone
                and document.is_required
                and document.state in WAITING_SIDES
            ):
                raise OnboardingDocumentError(
                    self.env._(
                        "%(milestone)s waits for %(document)s, which the customer was "
                        "asked for. If it is not needed, use Waive and say why.",
                        milestone=milestone.name,
                        document=document.name,
                    )
                )

    def _get_own_fields_cure(self):
        return self.env._("use Request, Upload, Accept, Refuse and Waive.")

    @api.ondelete(at_uninstall=False)
    def _unlink_except_kept(self):
        for document in self:
            if document.state != "draft" or document.version_ids:
                raise OnboardingDocumentError(
                    self.env._(
                        "%(name)s was requested or has versions, which are kept for "
                        "ever. Waive it instead.",
                        name=document.name,
                    )
                )
