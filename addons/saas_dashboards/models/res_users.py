# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging

from odoo import api, fields, models
from odoo.exceptions import AccessError

_logger = logging.getLogger(__name__)


class ResUsers(models.Model):
    """The weekly KPI mail: who wants it, and what it says to them.

    Nobody gets it unasked. Figures are read with the rights and the companies of the
    person who receives them.
    """

    _inherit = "res.users"

    saas_kpi_mail = fields.Selection(
        [
            ("weekly", "Every week"),
            ("off_target", "Only when a figure is off target"),
        ],
        string="KPI Mail",
        help="Mail with the current KPI values against their targets, once a week.",
    )
    saas_kpi_mail_date = fields.Date(
        string="Last KPI Mail",
        readonly=True,
        copy=False,
        help="A week with a mail is not served again, also when a run was cut short.",
    )

    @property
    def SELF_READABLE_FIELDS(self):
        return super().SELF_READABLE_FIELDS + ["saas_kpi_mail", "saas_kpi_mail_date"]

    @property
    def SELF_WRITEABLE_FIELDS(self):
        return super().SELF_WRITEABLE_FIELDS + ["saas_kpi_mail"]

    def _saas_kpi_mail_values(self):
        """Return the KPI values this person's mail lists.

        :return: current totals of all KPIs in the person's companies, read with the
            person's rights; empty without access
        """
        self.ensure_one()
        values = (
            self.env["saas.kpi.value"]
            .with_user(self)
            .with_context(allowed_company_ids=self.company_ids.ids, lang=self.lang)
        )
        if not values.has_access("read"):
            return values
        return values.search(
            [
                ("saas_is_latest", "=", True),
                ("saas_is_total", "=", True),
                ("kpi_id.active", "=", True),
            ],
            order="kpi_id, company_id",
        )

    @api.model
    def _cron_send_saas_kpi_mail(self):
        """Send the weekly KPI mail to everybody who asked for it."""
        self._send_saas_kpi_mails(fields.Date.context_today(self))

    @api.model
    def _send_saas_kpi_mails(self, today):
        """Send what is due on a date; a second call on the same date sends nothing.

        :param date today: the day of the run
        """
        readers = self.search(
            [
                ("saas_kpi_mail", "!=", False),
                ("share", "=", False),
                "|",
                ("saas_kpi_mail_date", "=", False),
                ("saas_kpi_mail_date", "<", today),
            ],
            order="id",
        )
        self.env["ir.cron"]._commit_progress(remaining=len(readers))
        for reader in readers:
            if reader.try_lock_for_update():
                reader._send_saas_kpi_mail(today)
            if not self.env["ir.cron"]._commit_progress(1):
                break

    def _send_saas_kpi_mail(self, today):
        """Send this person's mail, unless there is nothing to say.

        :param date today: stored as the day of the last mail
        :return: whether a mail was queued
        """
        self.ensure_one()
        try:
            values = self._saas_kpi_mail_values()
        except AccessError:
            _logger.info("KPI mail: user %s may not read KPI values.", self.id)
            values = self.env["saas.kpi.value"]
        off_target = values.filtered(lambda v: v.status in ("warning", "critical"))
        wanted = off_target if self.saas_kpi_mail == "off_target" else values
        self.saas_kpi_mail_date = today
        if not wanted or not self.email:
            return False
        template = self.env.ref("saas_dashboards.mail_template_kpi")
        template.send_mail(self.id, email_layout_xmlid="mail.mail_notification_light")
        return True
