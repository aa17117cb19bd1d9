# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import SUPERUSER_ID, api, fields, models

#: Ratings of 1 to 5; the smileys of the mail stand for 1, 3 and 5.
UNHAPPY = 2


class SaasOnboardingSurvey(models.Model):
    """How the customer found the onboarding: asked once, after the go-live."""

    _name = "saas.onboarding.survey"
    _description = "Onboarding Survey"
    _inherit = ["saas.mixin", "rating.mixin", "mail.activity.mixin"]
    _order = "sent_on desc, id desc"

    name = fields.Char(compute="_compute_name", store=True)
    project_id = fields.Many2one(
        "project.project",
        string="Onboarding Project",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True
    )
    partner_id = fields.Many2one(
        "res.partner",
        string="Asked",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    account_id = fields.Many2one(
        related="partner_id.commercial_partner_id",
        string="Customer",
        store=True,
        index=True,
    )
    user_id = fields.Many2one(
        "res.users",
        string="Project Manager",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    sent_on = fields.Date(readonly=True)
    answered_on = fields.Date(readonly=True)
    live_on = fields.Date(related="project_id.saas_live_on", store=True)
    state = fields.Selection(
        [("sent", "Asked"), ("answered", "Answered")],
        compute="_compute_state",
        store=True,
        index=True,
    )

    _project_uniq = models.UniqueIndex(
        "(project_id)", "The customer of this project was asked already."
    )

    @api.depends("project_id.name")
    def _compute_name(self):
        for survey in self:
            survey.name = survey.project_id.name

    @api.depends("answered_on")
    def _compute_state(self):
        for survey in self:
            survey.state = "answered" if survey.answered_on else "sent"

    # ------------------------------------------------------------------
    # Business
    # ------------------------------------------------------------------
    def _send(self):
        """Mail the survey in the language of the contact, once."""
        template = self.env.ref("saas_subscription_ops.mail_template_onboarding_survey")
        for survey in self.filtered(lambda one: not one.sent_on):
            survey.rating_send_request(
                template, lang=survey.partner_id.lang, force_send=False
            )
            survey.sent_on = fields.Date.context_today(survey)
            survey._saas_emit(
                "onboarding.survey_sent", {"project": survey.project_id.id}
            )

    def rating_apply(
        self,
        rate,
        token=None,
        rating=None,
        feedback=None,
        subtype_xmlid=None,
        notify_delay_send=False,
    ):
        result = super().rating_apply(
            rate,
            token=token,
            rating=rating,
            feedback=feedback,
            subtype_xmlid=subtype_xmlid,
            notify_delay_send=notify_delay_send,
        )
        # sudo: the customer answers, the record is ours
        survey = self.sudo()
        if not survey.answered_on:
            survey.answered_on = fields.Date.context_today(survey)
            survey._saas_emit(
                "onboarding.survey_answered",
                {"project": survey.project_id.id, "rating": rate},
            )
            if rate <= UNHAPPY:
                survey._plan_call()
        return result

    def _plan_call(self):
        """Have somebody call a customer who is unhappy: CSM, else project manager."""
        people = self.account_id.saas_csm_id | self.user_id
        people = people._saas_filter_assignable(self.company_id)
        if people:
            self.with_user(SUPERUSER_ID).activity_schedule(
                "mail.mail_activity_data_call",
                summary=self.env._("Unhappy with the onboarding: call the customer"),
                user_id=people[0].id,
            )

    # ------------------------------------------------------------------
    # Hooks
    # ------------------------------------------------------------------
    def _rating_get_parent_field_name(self):
        return "project_id"

    def _saas_correlation(self):
        """The survey is part of the process of its project."""
        self.ensure_one()
        return self.project_id._saas_correlation()
