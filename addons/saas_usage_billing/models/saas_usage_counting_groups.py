# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Dimensions with too many values, told to those who can mend it."""

from datetime import timedelta

from odoo import api, models
from odoo.tools import groupby

from .usage_bucket_groups import MAX_GROUPS, find_crowded

CROWDED = "usage.too_many_groups"
#: Days without too many groups after which the exception is resolved.
CALM_DAYS = 7


class SaasUsageCounting(models.AbstractModel):
    _inherit = "saas.usage.counting"

    @api.model
    def _cron_check(self):
        """Resolve what is said of dimensions that have few values again, too."""
        result = super()._cron_check()
        crowded = find_crowded(self.env, self._get_today() - timedelta(days=CALM_DAYS))
        # sudo: as all of the counting
        issues = self.env["saas.exception"].sudo()
        calm = issues.search(
            [
                ("code", "=", CROWDED),
                ("state", "in", ("open", "retrying")),
                ("res_id", "not in", [row[0] for row in crowded]),
            ]
        )
        calm._resolve(self.env._("No day of late has too many groups."))
        return result

    @api.model
    def _note_crowded(self, meter, days):
        """Raise the exception of each subscription whose groups became one.

        :param Counted meter: whose
        :param list days: of (subscription, day)
        """
        # sudo: as all of the counting
        record = self.env["saas.meter"].sudo().browse(meter.meter_id)
        for subscription_id, own in groupby(days, key=lambda row: row[0]):
            self.env["saas.subscription"].sudo().browse(subscription_id)._saas_raise(
                CROWDED,
                self.env._(
                    "%(meter)s has more than %(count)s combinations of %(dimensions)s"
                    " on %(days)s. Live figures of these days are not kept by"
                    " dimension; where prices ask for it they are read from the"
                    " events, which takes longer. Invoices are not concerned. Send"
                    " fewer different values, no ids or times, or take the dimension"
                    " off the meter.",
                    meter=record.display_name,
                    count=MAX_GROUPS,
                    dimensions=", ".join(meter.spec.keys),
                    days=", ".join(str(day) for _subscription, day in own),
                ),
                queue="integration",
            )
