# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage waits until its source has sent everything."""

from odoo import models
from odoo.tools import SQL

from odoo.addons.saas_subscription_ops.engine.period import day_start

from .saas_subscription_usage_periods import to_naive

#: Where a day begins last.
_LAST_ZONE = "Etc/GMT+12"


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _hold_lagging_usage(self, date_cutoff):
        """Hold usage of closed periods whose source has not sent everything.

        What a person has released is not held again. Only meters whose events a source
        has sent before wait for it.

        :param date date_cutoff: as of the run that is computed
        """
        # sudo: what is held is held, whoever computes
        holds = self.env["saas.usage.hold"].sudo()
        kept = holds.search(
            [("kind", "=", "silent"), ("subscription_id", "in", self.ids)]
        )
        kept.filtered(lambda hold: hold.state == "open")._release_reached()
        known = {self._get_silent_key(hold) for hold in kept}
        latest = to_naive(day_start(date_cutoff, _LAST_ZONE))
        sources = self.env["saas.usage.source"]._find_lagging(self.company_id, latest)
        found = [
            (source, period)
            for source in sources
            for one in source._get_dependents(self)
            for period in one._find_unreached(source, date_cutoff)
            if (one.id, period.meter_id, source.id, period.start) not in known
        ]
        self._open_silent_holds(found)

    def _get_silent_key(self, hold):
        ids = hold.subscription_id.id, hold.meter_id.id, hold.source_id.id
        return *ids, hold.date_from

    def _find_unreached(self, source, date_cutoff):
        """Return the closed periods a source has not sent everything of.

        :return: list of ``UsagePeriod``, one per meter and first day
        """
        self.ensure_one()
        sent = self.env["saas.usage.event"]._get_sent_types()
        # sudo: whoever may see a charge need not be allowed to see the meter
        meters = self.env["saas.meter"].sudo()
        return list(
            {
                (period.meter_id, period.start): period
                for period in self._get_usage_periods(date_cutoff)
                if (source.id, meters.browse(period.meter_id).event_type) in sent
                and not source._has_reached(period.window.end)
            }.values()
        )

    def _open_silent_holds(self, found):
        """Open holds for periods of sources.

        :param list found: pairs of source and ``UsagePeriod``
        """
        if not found:
            return
        ids = sorted({period.subscription_id for _source, period in found})
        # Two runs that hold the same usage at once: the second one begins anew and
        # finds the holds of the first.
        self.env.cr.execute(
            SQL("UPDATE saas_subscription SET id = id WHERE id = ANY(%s)", ids)
        )
        holds = self.env["saas.usage.hold"]
        meters = self.env["saas.meter"]
        for source, period in found:
            holds._open(
                self.browse(period.subscription_id),
                "silent",
                period.start,
                self.env._(
                    "“%(name)s” has not sent everything up to %(date)s yet.",
                    name=source.name,
                    date=period.end,
                ),
                meter=meters.browse(period.meter_id),
                source=source,
                date_to=period.end,
            )
