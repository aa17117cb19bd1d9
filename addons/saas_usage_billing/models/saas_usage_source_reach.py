# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""How far a source has sent everything, and whose usage waits for it."""

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

RELEASE_FAILED = "usage.release_failed"


class SaasUsageSource(models.Model):
    _inherit = "saas.usage.source"

    reached_until = fields.Datetime(
        string="Waited For Until",
        compute="_compute_reached_until",
        help="Usage of periods that end later is held: the source may still send some"
        " of it. UTC; empty: everything is held.",
    )

    @api.depends("complete_until", "sends_watermarks")
    def _compute_reached_until(self):
        """Without watermarks any request says that all before it was sent."""
        query = SQL(
            """
            SELECT s.id, b.received_at
              FROM saas_usage_source s
             CROSS JOIN LATERAL (
                   SELECT received_at FROM saas_usage_batch
                    WHERE source_id = s.id AND kind != 'replay'
                    ORDER BY id DESC LIMIT 1
                   ) b
             WHERE s.id = ANY(%s)
            """,
            self.ids,
        )
        received = dict(self.env.execute_query(query))
        for source in self:
            source.reached_until = (
                source.complete_until
                if source.sends_watermarks
                else received.get(source.id)
            )

    def _is_waited_for(self):
        """Return whether it is known when the source should have sent everything."""
        self.ensure_one()
        return self.active and bool(self.sends_watermarks or self.cadence_minutes)

    def _has_reached(self, moment):
        """Return whether the source has sent everything up to a moment.

        :param moment: naive UTC datetime
        :return: bool
        """
        self.ensure_one()
        return bool(self.reached_until) and self.reached_until >= moment

    @api.model
    def _find_lagging(self, companies, moment):
        """Return the sources that are waited for and have not reached a moment.

        :param companies: ``res.company``
        :param moment: naive UTC datetime
        :return: sources in superuser mode
        """
        # sudo: who computes charges need not see the sources
        waited = self.sudo().search(
            [
                ("company_id", "in", companies.ids),
                "|",
                ("cadence_minutes", ">", 0),
                ("sends_watermarks", "=", True),
            ]
        )
        waited.invalidate_recordset(["reached_until"])
        return waited.filtered(lambda source: not source._has_reached(moment))

    def _get_dependents(self, subscriptions):
        """Return the subscriptions whose usage the source sends.

        Those are named by its external ids: themselves, or their account.

        :param subscriptions: ``saas.subscription`` to look at
        :return: some of them
        """
        self.ensure_one()
        own = subscriptions.filtered(lambda one: one.company_id == self.company_id)
        accounts = own.commercial_partner_id
        # sudo: external ids are looked up for whoever computes
        External = self.env["saas.external.id"].sudo()
        found = External.search(
            Domain("source", "=", External._normalise_key(self.code))
            & Domain("kind", "=", "subject")
            & Domain("company_id", "=", self.company_id.id)
            & (
                Domain("subscription_id", "in", own.ids)
                | Domain("partner_id.commercial_partner_id", "in", accounts.ids)
            )
        )
        named = found.subscription_id
        partners = found.filtered(lambda one: not one.subscription_id).partner_id
        return own.filtered(
            lambda one: (
                one in named
                or one.commercial_partner_id in partners.commercial_partner_id
            )
        )

    @api.model
    def _cron_check_sources(self):
        """Let usage be billed whose source has sent everything meanwhile, too."""
        result = super()._cron_check_sources()
        # sudo: a job of the system
        holds = self.env["saas.usage.hold"].sudo()
        waiting = holds.search([("kind", "=", "silent"), ("state", "=", "open")])
        if waiting._saas_try(lambda them: them._release_reached()):
            # One of them is in the way of the others: each on its own.
            for hold in waiting:
                hold._saas_attempt(
                    lambda one: one._release_reached(),
                    RELEASE_FAILED,
                    "saas_retry_release_reached",
                    queue="finance",
                    severity="high",
                )
        waiting.filtered(lambda one: one.state != "open")._saas_resolve(RELEASE_FAILED)
        return result
