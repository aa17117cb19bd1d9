# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

WAITING = "usage.quarantine_waiting"
CORRECTION_FAILED = "usage.correction_failed"


class SaasUsageSource(models.Model):
    """Quarantined events of a source must not be forgotten."""

    _inherit = "saas.usage.source"

    quarantine_days = fields.Integer(
        string="Quarantine Waits (Days)",
        required=True,
        default=2,
        tracking=True,
        aggregator=None,
        help="Events that wait longer in the quarantine are an exception: they are not"
        " billed until somebody mends the cause.",
    )

    _quarantine_days_positive = models.Constraint(
        "CHECK (quarantine_days >= 1 AND quarantine_days <= 3650)",
        "Let events wait one day at least in the quarantine, and at most ten years.",
    )

    @api.model
    def _cron_check_sources(self):
        result = super()._cron_check_sources()
        self._check_quarantine(fields.Datetime.now())
        return result

    @api.model
    def _check_quarantine(self, now):
        """Tell of sources whose events wait too long, and of those mended.

        :param now: naive UTC datetime
        """
        groups = self.env["saas.usage.quarantine"]._read_group(
            [("state", "=", "open"), ("source_id", "!=", False)],
            ["source_id"],
            ["first_seen_at:min", "__count"],
        )
        late = {
            source: (first, count)
            for source, first, count in groups
            if now - first > timedelta(days=source.quarantine_days)
        }
        told = self._saas_find_told(WAITING)
        for source in told.filtered(lambda one: one not in late):
            source._saas_resolve(
                WAITING, self.env._("Nothing waits too long any more.")
            )
        for source, (first, count) in late.items():
            if source not in told:
                source._tell_waiting(first, count)

    def _tell_waiting(self, first, count):
        self.ensure_one()
        self._saas_raise(
            WAITING,
            self.env._(
                "%(count)s events of “%(name)s” wait in the quarantine, the first since"
                " %(first)s UTC. They are not billed: mend the cause and replay them,"
                " or ignore them.",
                count=count,
                name=self.name,
                first=first.replace(microsecond=0),
            ),
            queue="integration",
            severity="high",
            retry_method="saas_retry_waiting_quarantine",
        )

    def saas_retry_waiting_quarantine(self):
        """Look again whether events wait, from the exception queue.

        :raise UserError: they still do
        """
        self.check_access("read")
        # sudo: whoever works on the queue may not write sources
        self.sudo()._check_quarantine(fields.Datetime.now())
        if self & self._saas_find_told(WAITING):
            raise UserError(
                self.env._("The events still wait: replay or ignore them first.")
            )

    # ------------------------------------------------------------------
    # Corrections
    # ------------------------------------------------------------------
    def saas_retry_corrections(self):
        """Store corrections whose event is there, from the exception queue."""
        self.check_access("read")
        # sudo: whoever works on the queue may not store events
        quarantine = self.env["saas.usage.quarantine"].sudo()
        after = 0
        while ids := quarantine._find_corrections(after=after, sources=self):
            for company, seen_at, group in quarantine.browse(ids)._get_groups():
                group._replay_group(company, seen_at, group)
            after = ids[-1]
