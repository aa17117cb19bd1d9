# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Meters that cannot be counted keep no other from it."""

from odoo import api, models

from .usage_bucket_state import distrust, find_incomplete

COUNT_FAILED = "usage.count_failed"


class SaasUsageCounting(models.AbstractModel):
    _inherit = "saas.usage.counting"

    @api.model
    def _cron_check(self):
        """Resolve what is said of meters that are counted again, too."""
        result = super()._cron_check()
        waiting = find_incomplete(self.env)
        self._find_failed().filtered(
            lambda issue: issue.res_id not in waiting
        )._resolve(self.env._("All of the meter is counted."))
        return result

    @api.model
    def _try(self, step):
        """Run a step in a savepoint and return what went wrong, if anything."""
        return self.env["saas.exception"]._saas_try(lambda _none: step())

    @api.model
    def _try_meter(self, meter, subscription_ids, step):
        """Run a step of a meter; when it fails its buckets are read no more.

        :param Counted meter: whose
        :param subscription_ids: whose buckets the step was to change
        :param Callable step: without arguments
        :return: whether it worked
        """
        error = self._try(step)
        if not error:
            return True
        if subscription_ids:
            distrust(
                self.env, [(one, meter.meter_id) for one in sorted(subscription_ids)]
            )
        if not self._find_failed(meter.meter_id):
            self._note_failed(meter, error)
        return False

    @api.model
    def _find_failed(self, meter_id=None):
        """Return the open exceptions of meters that could not be counted."""
        domain = [("code", "=", COUNT_FAILED), ("state", "in", ("open", "retrying"))]
        if meter_id:
            domain.append(("res_id", "=", meter_id))
        # sudo: as all of the counting
        return self.env["saas.exception"].sudo().search(domain)

    @api.model
    def _note_failed(self, meter, error):
        # sudo: as all of the counting
        record = self.env["saas.meter"].sudo().browse(meter.meter_id)
        self.env["saas.exception"].sudo()._saas_raise_for(
            record.company_id or self.env.company,
            COUNT_FAILED,
            self.env._(
                "%(meter)s cannot be counted: %(error)s. Its live figures are read"
                " from the events, which takes longer; invoices are not concerned."
                " It is tried again every minute: correct the meter, or report it.",
                meter=record.display_name,
                error=error,
            ),
            severity="high",
            record=record,
        )
