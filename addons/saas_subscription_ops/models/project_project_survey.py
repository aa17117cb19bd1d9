# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import SUPERUSER_ID, api, fields, models

from ..exceptions import GoLiveError
from .project_project import INTERNAL

NOT_SENT = "onboarding.survey_failed"


class ProjectProject(models.Model):
    """The customer is asked once how the onboarding was."""

    _inherit = "project.project"

    saas_survey_ids = fields.One2many(
        "saas.onboarding.survey", "project_id", string="Survey", groups=INTERNAL
    )
    saas_survey_rating = fields.Float(
        string="Survey Rating",
        compute="_compute_saas_survey_rating",
        store=True,
        aggregator=None,
        groups=INTERNAL,
        help="1 (unhappy) to 5 (happy); 0: not answered.",
    )

    @api.depends("saas_survey_ids.rating_last_value")
    def _compute_saas_survey_rating(self):
        for project in self:
            project.saas_survey_rating = project.saas_survey_ids[:1].rating_last_value

    def saas_send_survey(self) -> bool:
        """Ask the customers of live projects how it was, once per project.

        Without an address it becomes an exception that names the contact.

        :return: True
        """
        for project in self._saas_as_delivery():
            if not project._saas_is_survey_due():
                continue
            try:
                project._saas_do_send_survey()
            except GoLiveError as error:
                project._saas_raise(
                    NOT_SENT,
                    str(error),
                    queue="customer_success",
                    severity="low",
                    retry_method="saas_retry_survey",
                )
            else:
                project._saas_resolve(NOT_SENT)
        return True

    def saas_retry_survey(self):
        """Repeat the step from the exception queue.

        :raise GoLiveError: still no address
        """
        for project in self._saas_as_delivery():
            if project._saas_is_survey_due():
                project._saas_do_send_survey()

    def _saas_is_survey_due(self) -> bool:
        self.ensure_one()
        return bool(
            self.saas_live_on
            and self.saas_order_id
            and not self.is_template
            and not self.saas_survey_ids
        )

    def _saas_do_send_survey(self):
        """Create and mail the survey.

        :raise GoLiveError: nobody has an e-mail address
        """
        self.ensure_one()
        partner = self._saas_get_survey_partner()
        if not partner.email:
            raise GoLiveError(
                self.env._(
                    "%(project)s is live, but %(partner)s has no e-mail address to "
                    "send the survey to: enter one on the contact, then retry.",
                    project=self.name,
                    partner=partner.display_name or self.env._("nobody"),
                )
            )
        company = self.company_id or self.saas_order_id.company_id
        survey = (
            self.env["saas.onboarding.survey"]
            .with_user(SUPERUSER_ID)
            .with_company(company)
            .create(
                {
                    "project_id": self.id,
                    "company_id": company.id,
                    "partner_id": partner.id,
                    "user_id": self.user_id.id,
                }
            )
        )
        survey._send()

    def _saas_get_survey_partner(self):
        """Return whom to ask: a contact of the handover, else the customer."""
        self.ensure_one()
        contacts = self.saas_handover_ids.contact_ids
        for role in ("lead", "sponsor"):
            people = contacts.filtered(lambda one, role=role: one.role == role)
            reachable = people.partner_id.filtered("email")
            if reachable:
                return reachable[0]
        own = self.partner_id | self.partner_id.commercial_partner_id
        return own.filtered("email")[:1] or own[:1]

    def action_view_saas_survey(self) -> dict:
        """Open the survey of the project.

        :return: window action
        """
        self.ensure_one()
        survey = self.saas_survey_ids[:1]
        return survey._get_records_action(name=self.env._("Survey"), context={})
