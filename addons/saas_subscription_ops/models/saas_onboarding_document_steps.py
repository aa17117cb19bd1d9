# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""From the request to the decision, and who waits meanwhile."""

import logging
from datetime import datetime

from odoo import Command, fields, models

from ..exceptions import OnboardingDocumentError
from ..row_lock import lock_rows
from .saas_onboarding_document import OPEN_STATES, WAITING_SIDES

_logger = logging.getLogger(__name__)


class SaasOnboardingDocument(models.Model):
    _inherit = "saas.onboarding.document"

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def action_request(self) -> bool:
        """Ask the customer for the documents, with one mail per project.

        Documents that are requested already are left as they are.

        :return: True
        :raise OnboardingDocumentError: a template, or nobody to write to
        :raise TransitionError: a document was received, accepted or waived
        """
        at = fields.Datetime.now()
        self._check_step()
        for project, documents in self.grouped("project_id").items():
            due = documents.filtered(lambda doc: doc.state != "requested")
            if not due:
                continue
            project._saas_check_customer_reachable()
            today = project._saas_get_local_day(at)
            for document in due:
                document._set_state(
                    {"draft"}, "requested", at=at, requested_on=today, reminder_count=0
                )
                document._emit("onboarding.document_requested")
            due._send_mail("request")
        return True

    def action_accept(self) -> bool:
        """Accept the version that waits for review.

        The context key ``saas_version_id`` (the form sends it) names the version that
        was looked at: if a newer one came in meanwhile, it is not accepted unseen.

        :return: True
        :raise OnboardingDocumentError: a newer version came in
        :raise TransitionError: nothing to review
        """
        at = fields.Datetime.now()
        self._check_step()
        seen = self.env.context.get("saas_version_id")
        for document in self:
            if document.state == "accepted":
                _logger.info("%s was accepted already", document)
                continue
            version = document.current_version_id
            document._check_state({"received"}, "accepted")
            document._check_seen(version, seen)
            version._decide("accepted")
            document._set_state({"received"}, "accepted", at=at, **document._stamp())
            document._emit("onboarding.document_accepted", version)
        return True

    def _refuse(self, reason: str, version=None) -> bool:
        """Refuse the version that waits for review and tell the customer why.

        :param str reason: what the customer reads
        :param version: the version that was looked at; default the newest
        :return: True
        :raise OnboardingDocumentError: no reason, or a newer version came in
        :raise TransitionError: nothing to review
        """
        self.ensure_one()
        self._check_step()
        reason = (reason or "").strip()
        if not reason:
            raise OnboardingDocumentError(
                self.env._("Say why %(name)s is refused.", name=self.name)
            )
        self.project_id._saas_check_customer_reachable()
        self._check_state({"received"}, "refused")
        at = fields.Datetime.now()
        current = self.current_version_id
        self._check_seen(current, version and version.id)
        current._decide("refused", reason)
        self._set_state(
            {"received"},
            "refused",
            at=at,
            refuse_reason=reason,
            reminder_count=0,
            reminded_on=False,
            requested_on=self.project_id._saas_get_local_day(at),
            **self._stamp(),
        )
        self._emit("onboarding.document_refused", current)
        self._send_mail("refused")
        return True

    def _waive(self, reason: str) -> bool:
        """Do without the document.

        :param str reason: why it is not needed
        :return: True
        :raise OnboardingDocumentError: no reason
        :raise TransitionError: it was accepted
        """
        reason = (reason or "").strip()
        if not reason:
            raise OnboardingDocumentError(
                self.env._("Say why the document is not needed.")
            )
        self._check_step()
        at = fields.Datetime.now()
        for document in self:
            if document._set_state(
                set(OPEN_STATES),
                "waived",
                at=at,
                waive_reason=reason,
                **document._stamp(),
            ):
                document._emit("onboarding.document_waived")
        return True

    def action_refuse(self) -> dict:
        """Ask why the document is refused.

        :return: action opening the dialog
        """
        return self._open_decide_wizard("refuse", self.env._("Refuse"))

    def action_waive(self) -> dict:
        """Ask why the document is not needed.

        :return: action opening the dialog
        """
        return self._open_decide_wizard("waive", self.env._("Waive"))

    def _open_decide_wizard(self, decision: str, title: str) -> dict:
        return {
            "type": "ir.actions.act_window",
            "name": title,
            "res_model": "saas.onboarding.document.decide.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_document_ids": [Command.set(self.ids)],
                "default_version_id": self.env.context.get("saas_version_id"),
                "default_decision": decision,
            },
        }

    def action_upload(self) -> dict:
        """Open the dialog in which staff upload a version.

        :return: action opening the dialog
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Upload a Version"),
            "res_model": "saas.onboarding.document.upload.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_document_id": self.id},
        }

    # ------------------------------------------------------------------
    # Tools
    # ------------------------------------------------------------------
    def _set_state(self, allowed: set, target: str, at: datetime, **stamp) -> bool:
        """Move the document to another state; the only place that does.

        :param set allowed: states the step may start from
        :param str target: state to reach
        :param datetime at: naive UTC moment of the step, from which somebody waits
        :param stamp: what is written with the state
        :return: False when it is there already
        :raise TransitionError: the present state is not in ``allowed``
        """
        self.ensure_one()
        if self.state == target:
            _logger.info("%s is %s already", self, target)
            return False
        self._check_state(allowed, target)
        # sudo: the funnel is the one writer of the state, access was checked above it
        self.sudo().write({"state": target, **stamp})
        self._sync_wait(at)
        return True

    def _sync_wait(self, at: datetime):
        """Let the right side wait for the documents from a moment on.

        :param datetime at: naive UTC moment
        """
        # sudo: waits are facts, whoever takes a step need not read them
        Wait = self.env["saas.onboarding.wait"].sudo()
        waits = Wait._get_open("document_id", self).grouped("document_id")
        changed = self.env["project.project"]
        for document in self:
            project = document.project_id
            runs = project._saas_is_running_onboarding()
            side = WAITING_SIDES.get(document.state) if runs else None
            current = waits.get(document, Wait)
            if Wait._set_waiting(project, side, at, current, document=document):
                changed |= project
        changed._saas_refresh_waiting(at)

    def _check_step(self):
        """Refuse steps without the right to them, or on documents of a template.

        :raise AccessError: no right to write
        :raise OnboardingDocumentError: the project is a template
        """
        self.check_access("write")
        # Who waited for another's step is repeated on fresh data.
        self._saas_lock()
        template = self.filtered("is_template")[:1]
        if template:
            raise OnboardingDocumentError(
                self.env._(
                    "%(project)s is a template: its documents are requested in the "
                    "projects made from it.",
                    project=template.project_id.name,
                )
            )

    def _is_with_customer(self) -> bool:
        """Return whether the customer is to send it."""
        return WAITING_SIDES.get(self.state) == "customer"

    def _check_seen(self, version, seen: int | None):
        """Refuse a decision about a version nobody looked at.

        :param version: newest version
        :param int seen: id of the version on the screen, if known
        :raise OnboardingDocumentError: they differ
        """
        if seen and version.id != seen:
            raise OnboardingDocumentError(
                self.env._(
                    "A newer version of %(name)s came in. Reload, look at it, then "
                    "decide.",
                    name=self.name,
                )
            )

    def _stamp(self) -> dict:
        return {"decided_by_id": self.env.uid}

    def _emit(self, name: str, version=None):
        """Write an event to the project's history.

        :param str name: name of the event
        :param version: the version it is about
        """
        self.ensure_one()
        payload = {"document": self.id, "name": self.name}
        if version:
            payload.update(version=version.number, sha1=version.checksum)
        self.project_id._saas_emit(name, payload)

    def _saas_lock(self):
        """Take the row locks of the documents until the transaction ends.

        See ``row_lock.py``: who waited here is repeated on fresh data.
        """
        lock_rows(self)
