# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.tools import plaintext2html

CODES = [
    ("hours_80", "80 % of the hours used"),
    ("hours_100", "All hours used"),
    ("task_late", "Task late"),
    ("go_live_late", "Go-live late"),
    ("inactive", "Nobody works on it"),
    ("customer_silent", "Customer silent"),
]
HIGH = ("hours_100", "go_live_late", "customer_silent")


class SaasOnboardingAlert(models.Model):
    """Something about an onboarding that somebody must know, told once.

    The daily check opens an alert when a fact begins and closes it when it ends. While
    it is open the same fact is not told again.
    """

    _name = "saas.onboarding.alert"
    _description = "Onboarding Alert"
    _inherit = ["saas.default.guard"]
    _order = "date_opened desc, id desc"
    _rec_name = "message"

    project_id = fields.Many2one(
        "project.project", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="project_id.company_id", store=True)
    task_id = fields.Many2one(
        "project.task", readonly=True, index="btree_not_null", ondelete="cascade"
    )
    user_id = fields.Many2one(related="project_id.user_id", string="Project Manager")
    code = fields.Selection(CODES, string="Alert", required=True, readonly=True)
    message = fields.Char(required=True, readonly=True)
    date_opened = fields.Date(string="Since", required=True, readonly=True)
    date_closed = fields.Date(string="Over Since", readonly=True)
    notified_at = fields.Datetime(string="Told At", readonly=True)
    activity_id = fields.Many2one(
        "mail.activity", readonly=True, index="btree_not_null", ondelete="set null"
    )

    _open_uniq = models.UniqueIndex(
        "(project_id, code, COALESCE(task_id, 0)) WHERE date_closed IS NULL",
        "This alert is open already.",
    )

    @api.depends("code", "project_id")
    def _compute_display_name(self):
        labels = dict(self._fields["code"]._description_selection(self.env))
        for alert in self:
            alert.display_name = f"{alert.project_id.name}: {labels.get(alert.code)}"

    def saas_notify(self) -> bool:
        """Tell the people concerned: event, exception and activity, once per alert.

        Safe to repeat.

        :return: True
        """
        self.check_access("read")
        # sudo: nobody writes alerts by hand; what they tell is decided here
        for alert in self.sudo():
            if not alert.notified_at and not alert.date_closed:
                alert._notify()
        return True

    def _notify(self):
        self.ensure_one()
        project = self.project_id.with_company(self.project_id.company_id)
        self.notified_at = fields.Datetime.now()
        project._saas_emit(
            "onboarding.alert_raised",
            {"code": self.code, "task": self.task_id.id, "since": self.date_opened},
        )
        project._saas_raise(
            self._get_exception_code(),
            f"{project.name}: {self.message}",
            queue="customer_success",
            severity="high" if self.code in HIGH else "medium",
        )
        self.activity_id = self._get_open_activity() or self._create_activity()

    def _get_exception_code(self) -> str:
        self.ensure_one()
        return f"onboarding.{self.code}"

    def _get_siblings(self):
        """Return the other open alerts of the same code and project."""
        self.ensure_one()
        return self.search(
            [
                ("project_id", "=", self.project_id.id),
                ("code", "=", self.code),
                ("date_closed", "=", False),
                ("id", "!=", self.id),
            ]
        )

    def _get_open_activity(self):
        return self._get_siblings().activity_id.filtered("active")[:1]

    def _create_activity(self):
        """Give the project manager a to-do; without one the exception queue has it."""
        project = self.project_id
        user = project.user_id | project.partner_id.commercial_partner_id.saas_csm_id
        user = user._saas_filter_assignable(project.company_id)[:1]
        todo = self.env.ref("mail.mail_activity_data_todo", raise_if_not_found=False)
        if not user or not todo:
            return self.env["mail.activity"]
        return project.activity_schedule(
            activity_type_id=todo.id,
            summary=dict(self._fields["code"]._description_selection(self.env))[
                self.code
            ],
            note=plaintext2html(self.message),
            user_id=user.id,
        )

    def _close(self, day):
        """End alerts whose fact is over.

        :param date day: first day the fact is not true any more
        """
        for alert in self:
            alert.date_closed = day
            if alert._get_siblings():
                continue
            note = alert.env._("No longer true: %(message)s", message=alert.message)
            alert.project_id._saas_resolve(alert._get_exception_code(), note)
            alert.activity_id.filtered("active").action_feedback(feedback=note)
