# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging
from datetime import datetime

from odoo import Command, api, fields, models
from odoo.exceptions import AccessError, ValidationError
from odoo.tools import SQL

from ..exceptions import OnboardingDocumentError

_logger = logging.getLogger(__name__)

OPEN_STATES = ("draft", "requested", "received", "refused")
# Whom a document waits for in each state.
WAITING_SIDES = {"requested": "customer", "refused": "customer", "received": "us"}
# Written by the steps only, never from outside.
PROTECTED_FIELDS = frozenset(
    "state refuse_reason waive_reason requested_on reminded_on reminder_count"
    " received_at decided_by_id version_ids origin_id package_id".split()
)


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
        "saas.default.guard",
    ]
    _undefaultable = PROTECTED_FIELDS
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
    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_protected(vals)
        return super().create(vals_list)

    def write(self, vals):
        self._check_protected(vals)
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

    def _check_protected(self, vals: dict):
        """Refuse values that only the document's own steps may set.

        :raise AccessError: somebody tries to set them from outside
        """
        touched = PROTECTED_FIELDS & vals.keys()
        if not self:
            # A form sends the defaults of a new document along.
            touched = {
                name for name in touched if vals[name] not in (False, 0, "draft")
            }
        if touched and not self.env.su:
            raise AccessError(
                self.env._(
                    "State and versions of a document can't be set by hand: use "
                    "Request, Upload, Accept, Refuse and Waive."
                )
            )

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

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def action_request(self) -> bool:
        """Ask the customer for the documents, with one mail per project.

        Documents that are requested already are left as they are.

        :return: True
        :raise OnboardingDocumentError: a template, or nobody to write to
        :raise TransitionError: a document was received, accepted or waived
        """
        at = fields.Datetime.now()
        self._check_step()
        for project, documents in self.grouped("project_id").items():
            due = documents.filtered(lambda doc: doc.state != "requested")
            if not due:
                continue
            project._saas_check_customer_reachable()
            today = project._saas_get_local_day(at)
            for document in due:
                document._set_state(
                    {"draft"}, "requested", at=at, requested_on=today, reminder_count=0
                )
                document._emit("onboarding.document_requested")
            due._send_mail("request")
        return True

    def action_accept(self) -> bool:
        """Accept the version that waits for review.

        The context key ``saas_version_id`` (the form sends it) names the version that
        was looked at: if a newer one came in meanwhile, it is not accepted unseen.

        :return: True
        :raise OnboardingDocumentError: a newer version came in
        :raise TransitionError: nothing to review
        """
        at = fields.Datetime.now()
        self._check_step()
        seen = self.env.context.get("saas_version_id")
        for document in self:
            if document.state == "accepted":
                _logger.info("%s was accepted already", document)
                continue
            version = document.current_version_id
            document._check_state({"received"}, "accepted")
            document._check_seen(version, seen)
            version._decide("accepted")
            document._set_state({"received"}, "accepted", at=at, **document._stamp())
            document._emit("onboarding.document_accepted", version)
        return True

    def _refuse(self, reason: str, version=None) -> bool:
        """Refuse the version that waits for review and tell the customer why.

        :param str reason: what the customer reads
        :param version: the version that was looked at; default the newest
        :return: True
        :raise OnboardingDocumentError: no reason, or a newer version came in
        :raise TransitionError: nothing to review
        """
        self.ensure_one()
        self._check_step()
        reason = (reason or "").strip()
        if not reason:
            raise OnboardingDocumentError(
                self.env._("Say why %(name)s is refused.", name=self.name)
            )
        self._check_state({"received"}, "refused")
        at = fields.Datetime.now()
        current = self.current_version_id
        self._check_seen(current, version and version.id)
        current._decide("refused", reason)
        self._set_state(
            {"received"},
            "refused",
            at=at,
            refuse_reason=reason,
            reminder_count=0,
            reminded_on=False,
            requested_on=self.project_id._saas_get_local_day(at),
            **self._stamp(),
        )
        self._emit("onboarding.document_refused", current)
        self._send_mail("refused")
        return True

    def _waive(self, reason: str) -> bool:
        """Do without the document.

        :param str reason: why it is not needed
        :return: True
        :raise OnboardingDocumentError: no reason
        :raise TransitionError: it was accepted
        """
        reason = (reason or "").strip()
        if not reason:
            raise OnboardingDocumentError(
                self.env._("Say why the document is not needed.")
            )
        self._check_step()
        at = fields.Datetime.now()
        for document in self:
            if document._set_state(
                set(OPEN_STATES),
                "waived",
                at=at,
                waive_reason=reason,
                **document._stamp(),
            ):
                document._emit("onboarding.document_waived")
        return True

    def action_refuse(self) -> dict:
        """Ask why the document is refused.

        :return: action opening the dialog
        """
        return self._open_decide_wizard("refuse", self.env._("Refuse"))

    def action_waive(self) -> dict:
        """Ask why the document is not needed.

        :return: action opening the dialog
        """
        return self._open_decide_wizard("waive", self.env._("Waive"))

    def _open_decide_wizard(self, decision: str, title: str) -> dict:
        return {
            "type": "ir.actions.act_window",
            "name": title,
            "res_model": "saas.onboarding.document.decide.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_document_ids": [Command.set(self.ids)],
                "default_version_id": self.env.context.get("saas_version_id"),
                "default_decision": decision,
            },
        }

    def action_upload(self) -> dict:
        """Open the dialog in which staff upload a version.

        :return: action opening the dialog
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Upload a Version"),
            "res_model": "saas.onboarding.document.upload.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_document_id": self.id},
        }

    def action_open(self) -> dict:
        """Open the form of the document.

        :return: window action
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
        }

    # ------------------------------------------------------------------
    # Tools
    # ------------------------------------------------------------------
    def _set_state(self, allowed: set, target: str, at: datetime, **stamp) -> bool:
        """Move the document to another state; the only place that does.

        :param set allowed: states the step may start from
        :param str target: state to reach
        :param datetime at: naive UTC moment of the step, from which somebody waits
        :param stamp: what is written with the state
        :return: False when it is there already
        :raise TransitionError: the present state is not in ``allowed``
        """
        self.ensure_one()
        if self.state == target:
            _logger.info("%s is %s already", self, target)
            return False
        self._check_state(allowed, target)
        # sudo: the funnel is the one writer of the state, access was checked above it
        self.sudo().write({"state": target, **stamp})
        self._sync_wait(at)
        return True

    def _sync_wait(self, at: datetime):
        """Let the right side wait for the documents from a moment on.

        :param datetime at: naive UTC moment
        """
        Wait = self.env["saas.onboarding.wait"]
        changed = self.env["project.project"]
        for document in self:
            project = document.project_id
            runs = project._saas_is_running_onboarding()
            side = WAITING_SIDES.get(document.state) if runs else None
            if Wait._set_waiting(project, side, at, document=document):
                changed |= project
        changed._saas_refresh_waiting(at)

    def _check_step(self):
        """Refuse steps without the right to them, or on documents of a template.

        :raise AccessError: no right to write
        :raise OnboardingDocumentError: the project is a template
        """
        self.check_access("write")
        # Who waited for another's step is repeated on fresh data.
        self._saas_lock()
        template = self.filtered("is_template")[:1]
        if template:
            raise OnboardingDocumentError(
                self.env._(
                    "%(project)s is a template: its documents are requested in the "
                    "projects made from it.",
                    project=template.project_id.name,
                )
            )

    def _is_with_customer(self) -> bool:
        """Return whether the customer is to send it."""
        return WAITING_SIDES.get(self.state) == "customer"

    def _check_seen(self, version, seen: int | None):
        """Refuse a decision about a version nobody looked at.

        :param version: newest version
        :param int seen: id of the version on the screen, if known
        :raise OnboardingDocumentError: they differ
        """
        if seen and version.id != seen:
            raise OnboardingDocumentError(
                self.env._(
                    "A newer version of %(name)s came in. Reload, look at it, then "
                    "decide.",
                    name=self.name,
                )
            )

    def _stamp(self) -> dict:
        return {"decided_by_id": self.env.uid}

    def _emit(self, name: str, version=None):
        """Write an event to the project's history.

        :param str name: name of the event
        :param version: the version it is about
        """
        self.ensure_one()
        payload = {"document": self.id, "name": self.name}
        if version:
            payload.update(version=version.number, sha1=version.checksum)
        self.project_id._saas_emit(name, payload)

    def _saas_lock(self):
        """Take the row locks of the documents until the transaction ends.

        See ``saas.subscription._saas_lock``: who waited here is repeated on fresh data.
        """
        if self:
            self.flush_recordset()
            self.env.cr.execute(
                SQL(
                    "UPDATE saas_onboarding_document SET id = id WHERE id IN %s",
                    tuple(sorted(self.ids)),
                ),
                log_exceptions=False,
            )
