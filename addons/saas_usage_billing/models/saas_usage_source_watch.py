# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

SILENT = "usage.source_silent"
CHECK_FAILED = "usage.source_check_failed"


class SaasUsageSource(models.Model):
    """Who sends, how often, and whether anything is missing."""

    _name = "saas.usage.source"
    _inherit = ["saas.usage.source", "saas.mixin"]

    user_ids = fields.Many2many(
        "res.users",
        string="Senders",
        domain=lambda self: [
            (
                "all_group_ids",
                "in",
                self.env.ref("saas_core.group_saas_core_integration").ids,
            )
        ],
        help="Only the API keys of these users may send for this source, and they ask "
        "only about customers it names. Empty: every user of the company with the role "
        "Integration.",
    )
    cadence_minutes = fields.Integer(
        string="Sends Every (Minutes)",
        tracking=True,
        aggregator=None,
        help="The longest time between two requests in normal operation. 0: nothing is "
        "expected, the source is never silent.",
    )
    tolerance_minutes = fields.Integer(
        string="Tolerance (Minutes)",
        compute="_compute_tolerance_minutes",
        store=True,
        readonly=False,
        tracking=True,
        aggregator=None,
        help="How much later a request may come before the source counts as silent.",
    )
    sends_watermarks = fields.Boolean(
        readonly=True,
        copy=False,
        help="The source says how far it has sent everything.",
    )
    complete_until = fields.Datetime(
        readonly=True,
        copy=False,
        help="The source has sent everything that happened before; UTC.",
    )
    is_silent = fields.Boolean(
        string="Silent",
        readonly=True,
        copy=False,
        help="Nothing came for longer than the cadence and the tolerance.",
    )

    _cadence_positive = models.Constraint(
        "CHECK (cadence_minutes >= 0 AND cadence_minutes <= 525600"
        " AND tolerance_minutes >= 0 AND tolerance_minutes <= 525600)",
        "Expect a request at least once a year, with a tolerance of up to a year.",
    )

    @api.depends("cadence_minutes")
    def _compute_tolerance_minutes(self):
        for source in self:
            source.tolerance_minutes = source.cadence_minutes

    # ------------------------------------------------------------------
    # Senders
    # ------------------------------------------------------------------
    @api.model
    def _find_by_code(self, code):
        """Return the source of a code in the current company, also an archived one.

        :param str code: as in events
        :return: source in superuser mode, empty when there is none
        """
        # sudo: the integration role sends for sources, it may not read them
        return (
            self.sudo()
            .with_context(active_test=False)
            .search([("code", "=", code), ("company_id", "=", self.env.company.id)])
        )

    def _may_send(self):
        """Return whether the current user may send for the source.

        :return: bool
        """
        self.ensure_one()
        return not self.user_ids or self.env.user in self.user_ids

    # ------------------------------------------------------------------
    # Watermarks
    # ------------------------------------------------------------------
    def _note_watermark(self, until):
        """Note that everything up to a moment was sent; it never goes back.

        :param until: naive UTC datetime
        :return: naive UTC datetime of the latest watermark
        """
        self.ensure_one()
        # Straight to the database: two senders of a source do not fail each other,
        # and the rules of all workers are not read again.
        [[latest]] = self.env.execute_query(
            SQL(
                """
                UPDATE saas_usage_source
                   SET complete_until = GREATEST(complete_until, %s::timestamp),
                       sends_watermarks = TRUE
                 WHERE id = %s
                RETURNING complete_until
                """,
                until,
                self.id,
            )
        )
        self.invalidate_recordset(["complete_until", "sends_watermarks"], flush=False)
        return latest

    # ------------------------------------------------------------------
    # Silence
    # ------------------------------------------------------------------
    @api.model
    def _cron_check_sources(self):
        """Tell of sources that fell silent, and of those that send again."""
        sources = self.with_context(active_test=False).search(
            [
                "|",
                ("is_silent", "=", True),
                "&",
                ("active", "=", True),
                ("cadence_minutes", ">", 0),
            ]
        )
        now = fields.Datetime.now()
        for source in sources.try_lock_for_update():
            source._saas_attempt(
                lambda one: one._check_silence(now),
                CHECK_FAILED,
                "saas_retry_source_check",
                resolves=True,
                severity="high",
            )

    def saas_retry_source_check(self):
        """Look after the sources again, from the exception queue."""
        self.check_access("read")
        # sudo: whoever works on the queue may not write sources
        self.sudo()._check_silence(fields.Datetime.now())

    def _check_silence(self, now):
        """Note who fell silent or sends again.

        :param now: naive UTC datetime
        """
        for source in self:
            silent = source._is_silent_at(now)
            if silent and not source.is_silent:
                source._note_silence()
            elif source.is_silent and not silent:
                source._note_return()

    def _is_silent_at(self, now):
        """Return whether the source should have sent something by a moment.

        A watermark is a sign of life, too: it says that there was nothing to send.

        :param now: naive UTC datetime
        :return: bool
        """
        self.ensure_one()
        if not self.active or not self.cadence_minutes:
            return False
        last = self._get_last_sign() or self.create_date
        wait = timedelta(minutes=self.cadence_minutes + self.tolerance_minutes)
        return now - last > wait

    def _get_last_sign(self):
        """Return when the source was heard of last.

        :return: naive UTC datetime or None
        """
        self.ensure_one()
        signs = (self.last_received_at, self.complete_until)
        return max(filter(None, signs), default=None)

    def _note_silence(self):
        self.ensure_one()
        last = self._get_last_sign()
        self.is_silent = True
        self._saas_raise(
            SILENT,
            self.env._(
                "“%(name)s” should send every %(cadence)s minutes; the last sign of it "
                "is of %(last)s. Look after the sending system: what it could not send "
                "it can send later, within the accepted age of %(days)s days.",
                name=self.name,
                cadence=self.cadence_minutes,
                last=self.env._("%(time)s UTC", time=last.replace(microsecond=0))
                if last
                else self.env._("never"),
                days=self.max_age_days,
            ),
            queue="integration",
            severity="high",
            retry_method="saas_retry_silent_source",
        )
        self._saas_emit(
            "usage.source_silenced", {"source": self.code, "last": str(last or "")}
        )

    def _note_return(self):
        self.ensure_one()
        self.is_silent = False
        self._saas_resolve(SILENT, self.env._("The source is not silent any more."))
        self._saas_emit("usage.source_resumed", {"source": self.code})

    def saas_retry_silent_source(self):
        """Look again whether the source sends, from the exception queue.

        :raise UserError: still silent
        """
        self.check_access("read")
        # sudo: whoever works on the queue may not write sources
        sources = self.sudo()
        sources._check_silence(fields.Datetime.now())
        if any(sources.mapped("is_silent")):
            raise UserError(
                self.env._(
                    "Nothing came yet. Look after the sending system, or change how "
                    "often the source is expected to send."
                )
            )
