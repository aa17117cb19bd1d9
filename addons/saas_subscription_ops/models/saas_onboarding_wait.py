# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime

import pytz

from odoo import api, fields, models

from ..check_facts import FACTS
from ..engine.waiting import Wait
from ..exceptions import OnboardingError


class SaasOnboardingWait(models.Model):
    """A time in which an onboarding waited for one side, and for what.

    Opened and closed by documents, customer tasks and people; several may be open at
    once. How long a side waited is the union of them, see ``engine/waiting.py``.
    """

    _name = "saas.onboarding.wait"
    _description = "Waiting Time of an Onboarding"
    _inherit = ["saas.default.guard"]
    _order = "date_start desc, id desc"

    project_id = fields.Many2one(
        "project.project", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="project_id.company_id", store=True)
    partner_id = fields.Many2one(
        related="project_id.partner_id", string="Customer", store=True
    )
    side = fields.Selection(
        [("customer", "Customer"), ("us", "Us")],
        string="Waiting For",
        required=True,
        readonly=True,
    )
    cause = fields.Selection(
        [("document", "Document"), ("task", "Task"), ("manual", "Set by Hand")],
        required=True,
        readonly=True,
    )
    document_id = fields.Many2one(
        "saas.onboarding.document",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    task_id = fields.Many2one(
        "project.task", readonly=True, index="btree_not_null", ondelete="set null"
    )
    reason = fields.Char(readonly=True)
    date_start = fields.Datetime(string="From", required=True, readonly=True)
    date_end = fields.Datetime(string="Until", readonly=True)
    is_open = fields.Boolean(compute="_compute_is_open")
    user_id = fields.Many2one("res.users", string="Set By", readonly=True)

    _end_after_start = models.Constraint(
        "CHECK (date_end IS NULL OR date_end >= date_start)",
        "Waiting can't end before it started.",
    )
    _document_uniq = models.UniqueIndex(
        "(project_id, document_id) WHERE date_end IS NULL AND document_id IS NOT NULL",
        "This document is waited for already.",
    )
    _task_uniq = models.UniqueIndex(
        "(project_id, task_id) WHERE date_end IS NULL AND task_id IS NOT NULL",
        "This task is waited for already.",
    )
    _manual_uniq = models.UniqueIndex(
        "(project_id, side) WHERE date_end IS NULL AND cause = 'manual'",
        "This side is set as waiting already. End that first.",
    )

    @api.depends("date_end")
    def _compute_is_open(self):
        for wait in self:
            wait.is_open = not wait.date_end

    @api.depends("side", "cause", "document_id", "task_id", "reason")
    def _compute_display_name(self):
        causes = dict(self._fields["cause"]._description_selection(self.env))
        for wait in self:
            wait.display_name = (
                wait.document_id.name
                or wait.task_id.name
                or wait.reason
                or causes.get(wait.cause, "")
            )

    # ------------------------------------------------------------------
    # Opening and closing
    # ------------------------------------------------------------------
    @api.model
    def _set_waiting(
        self, project, side: str | None, at: datetime, current, document=None, task=None
    ) -> bool:
        """Let a side wait for a document or task from a moment on, or nobody.

        Safe to repeat: what is so already stays. The caller refreshes the totals.

        :param project: ``project.project``
        :param str side: ``customer``, ``us`` or None for nobody
        :param datetime at: naive UTC moment
        :param current: the open wait for it, see ``_get_open``; may be empty
        :param document: ``saas.onboarding.document`` that is waited for
        :param task: ``project.task`` that is waited for, instead of a document
        :return: whether anything changed
        """
        field = "document_id" if document else "task_id"
        record = document or task
        # sudo: waits are facts written by the code, nobody has the right to
        waits, current = self.sudo(), current.sudo()
        wanted = bool(side)
        if bool(current) == wanted and (
            not wanted or (current.side, current.project_id) == (side, project.sudo())
        ):
            return False
        current._close(at)
        self._drop_facts()
        if wanted:
            waits.create(
                {
                    "project_id": project.id,
                    "side": side,
                    "cause": "document" if document else "task",
                    field: record.id,
                    "date_start": at,
                    "user_id": self.env.uid,
                }
            )
        return True

    @api.model
    def _get_open(self, field: str, records):
        """Return the open waits for documents or tasks.

        :param str field: ``document_id`` or ``task_id``
        :param records: what is waited for
        """
        facts = self.env.context.get(FACTS)
        if facts and facts.waits is not None:
            known = [facts.waits.get((field, one)) for one in records.ids]
            if None not in known:
                return self.browse(wait for waits in known for wait in waits)
        return self.search([(field, "in", records.ids), ("date_end", "=", False)])

    @api.model
    def _drop_facts(self):
        """Let the daily check look again: waits were changed."""
        facts = self.env.context.get(FACTS)
        if facts:
            facts.waits = None

    @api.model
    def _open_manual(self, project, side: str, reason: str, start: datetime):
        """Let a side wait by hand.

        :param project: ``project.project``
        :param str side: ``customer`` or ``us``
        :param str reason: what is waited for
        :param datetime start: naive UTC moment
        :return: the wait
        :raise OnboardingError: that side is set as waiting already
        """
        waits = self.sudo()  # sudo: see _set_waiting
        current = waits.search(
            [
                ("project_id", "=", project.id),
                ("cause", "=", "manual"),
                ("side", "=", side),
                ("date_end", "=", False),
            ]
        )
        if current:
            raise OnboardingError(
                self.env._(
                    "%(project)s waits already: %(reason)s. End that first.",
                    project=project.name,
                    reason=current.reason,
                )
            )
        wait = waits.create(
            {
                "project_id": project.id,
                "side": side,
                "cause": "manual",
                "reason": reason,
                "date_start": start,
                "user_id": self.env.uid,
            }
        )
        return wait.sudo(self.env.su)

    def _close(self, at: datetime):
        """End the waits; one that did not last is dropped.

        :param datetime at: naive UTC moment
        """
        waits = self.sudo()  # sudo: see _set_waiting
        waits._drop_facts()
        waits.filtered(lambda wait: wait.date_start >= at).unlink()
        ended = waits.exists()
        ended.write({"date_end": at})
        # Before another one of the same cause is inserted.
        ended.flush_recordset(["date_end"])

    def action_end(self) -> bool:
        """End waits that were set by hand, now.

        :return: True
        :raise OnboardingError: it ends by itself, with its document or task
        """
        at = fields.Datetime.now()
        for wait in self:
            wait.project_id._saas_as_delivery()
            if wait.cause != "manual":
                raise OnboardingError(
                    self.env._(
                        "This ends by itself as soon as %(cause)s is dealt with.",
                        cause=wait.display_name,
                    )
                )
            if not wait.date_end:
                wait._close(at)
                wait.project_id._saas_refresh_waiting(at)
        return True

    def _to_engine(self) -> list[Wait]:
        """Return the waits as the engine reads them."""
        utc = pytz.utc.localize
        return [
            Wait(
                wait.side,
                utc(wait.date_start),
                utc(wait.date_end) if wait.date_end else None,
            )
            for wait in self
        ]
