# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import plaintext2html

from ..exceptions import UsageHoldError

OPERATOR = "saas_core.group_saas_core_billing_operator"
KINDS = [
    ("manual", "Manual"),
    ("dispute", "Dispute"),
    ("silent", "Silent Source"),
    ("anomaly", "Unusual Usage"),
]
#: Kinds people may open; the others are opened by what finds the reason.
OPENED_BY_PEOPLE = {"manual", "dispute"}
#: What is held does not change; another hold is another record.
SCOPE = {
    *("subscription_id", "meter_id", "date_from", "date_to", "kind", "source_id"),
    "charge_id",
}
OWN = {"state", "opened_by_id", "released_by_id", "released_at"}


class SaasUsageHold(models.Model):
    """Usage of a subscription that is neither billed nor corrected for now.

    Everything else of the subscription is billed as ever. The days are those of the
    charge's service, half-open like everywhere: ``[date_from, date_to)``.
    """

    _name = "saas.usage.hold"
    _description = "Usage Hold"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "saas.mixin",
        "saas.default.guard",
    ]
    _order = "state, date_from desc, id desc"
    _check_company_auto = True
    _undefaultable = OWN | {"source_id", "release_note", "decision"}

    name = fields.Char(compute="_compute_name", store=True)
    subscription_id = fields.Many2one(
        "saas.subscription",
        required=True,
        index=True,
        ondelete="cascade",
        check_company=True,
    )
    company_id = fields.Many2one(
        related="subscription_id.company_id", store=True, index=True, precompute=True
    )
    partner_id = fields.Many2one(
        related="subscription_id.commercial_partner_id",
        string="Account",
        store=True,
        index=True,
        precompute=True,
    )
    meter_id = fields.Many2one(
        "saas.meter",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="Empty: all usage of the subscription.",
    )
    source_id = fields.Many2one(
        "saas.usage.source",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="The source that is waited for.",
    )
    charge_id = fields.Many2one(
        "saas.charge",
        string="Disputed Charge",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="What the customer was charged and disputes.",
    )
    date_from = fields.Date(string="From", required=True)
    date_to = fields.Date(
        string="Until", help="First day that is not held any more. Empty: no end."
    )
    kind = fields.Selection(
        KINDS, required=True, default=lambda self: self._default_kind()
    )
    state = fields.Selection(
        [("open", "Open"), ("released", "Released")],
        required=True,
        readonly=True,
        default="open",
        index=True,
        copy=False,
        tracking=True,
    )
    reason = fields.Text(required=True, tracking=True)
    ticket_ref = fields.Char(string="Ticket", tracking=True)
    opened_by_id = fields.Many2one(
        "res.users",
        readonly=True,
        copy=False,
        default=lambda self: self.env.uid,
        ondelete="restrict",
    )
    released_by_id = fields.Many2one(
        "res.users", readonly=True, copy=False, ondelete="restrict"
    )
    released_at = fields.Datetime(readonly=True, copy=False)
    release_note = fields.Text(
        copy=False,
        tracking=True,
        help="What was found. Needed to release the hold.",
    )
    decision = fields.Selection(
        [
            ("confirmed", "The usage is right"),
            ("corrected", "The usage is corrected"),
            ("credited", "Money is given back"),
        ],
        copy=False,
        tracking=True,
        help="What the customer is told about a disputed charge. Corrected: events were"
        " taken back or replaced, and the next run settles the difference. Money is"
        " given back by a credit note, by hand.",
    )

    _open_uniq = models.UniqueIndex(
        "(subscription_id, COALESCE(meter_id, 0), COALESCE(source_id, 0), kind,"
        " date_from) WHERE state = 'open'",
        "This usage is held already for the same reason from the same day. Use the "
        "open hold, or release it first.",
    )
    _dates_check = models.Constraint(
        "CHECK (date_to IS NULL OR date_to > date_from)",
        "A hold ends after the day it begins.",
    )

    @api.model
    def _default_kind(self) -> str:
        """Return the kind of hold this user may open."""
        return "manual" if self.env.user.has_group(OPERATOR) else "dispute"

    @api.constrains("charge_id", "subscription_id", "meter_id", "date_from", "date_to")
    def _check_charge(self):
        for hold in self.filtered("charge_id"):
            # sudo: whoever disputes need not be allowed to see the charge
            scope = hold.charge_id.sudo()._prepare_dispute_vals()
            # Who holds more than the charge holds the charge.
            if (
                scope["subscription_id"] != hold.subscription_id.id
                or hold.meter_id.id not in (scope["meter_id"], False)
                or hold.date_from > scope["date_from"]
                or (hold.date_to and hold.date_to < scope["date_to"])
            ):
                raise UsageHoldError(
                    self.env._(
                        "A dispute of a charge holds at least all of it: subscription,"
                        " meter and days must be those of the charge."
                    )
                )

    @api.depends("subscription_id.name", "meter_id.name")
    def _compute_name(self):
        for hold in self:
            names = [hold.subscription_id.name, hold.meter_id.name]
            hold.name = " / ".join(filter(None, names))

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        holds = super().create(vals_list)
        holds._check_may_open()
        holds._on_opened()
        return holds

    def write(self, vals):
        if set(vals) & (SCOPE | OWN) and not self.env.su:
            raise UsageHoldError(
                self.env._(
                    "What a hold covers can't be changed. Release it and open another."
                )
            )
        self._check_may_edit()
        return super().write(vals)

    def _check_may_open(self):
        """Refuse holds only the code or somebody else may open.

        :raise AccessError: the kind is not for this user
        """
        if self.env.su:
            return
        self._check_may_edit()
        for hold in self:
            is_new = hold.state == "open" and hold.opened_by_id == self.env.user
            unset = hold.source_id or hold.released_by_id or hold.released_at
            if not is_new or unset or hold.kind not in OPENED_BY_PEOPLE:
                raise AccessError(
                    self.env._("People open manual holds and disputes, as themselves.")
                )

    def _check_may_edit(self):
        """Leave all but disputes to billing operators.

        :raise AccessError: somebody else's hold
        """
        if self.env.su or self.env.user.has_group(OPERATOR):
            return
        if any(hold.kind != "dispute" for hold in self):
            raise AccessError(
                self.env._(
                    "Only disputes are for Customer Success. Ask a Billing Operator to "
                    "hold this usage."
                )
            )

    # ------------------------------------------------------------------
    # Opening and releasing
    # ------------------------------------------------------------------
    @api.model
    def _open(self, subscription, kind, date_from, reason, **scope):
        """Hold usage, or return the hold that is open for it already.

        :param subscription: ``saas.subscription``
        :param str kind: of ``KINDS``
        :param date date_from: first day that is held
        :param str reason: why, for people
        :param scope: ``meter`` and ``source`` records, ``date_to`` (exclusive); what
            is left out is all of it
        :return: open ``saas.usage.hold``
        """
        vals = {
            "subscription_id": subscription.id,
            "kind": kind,
            "date_from": date_from,
            "meter_id": scope["meter"].id if scope.get("meter") else False,
            "source_id": scope["source"].id if scope.get("source") else False,
        }
        # sudo: opened by what found the reason, whoever made it look
        holds = self.sudo()
        domain = [(name, "=", value) for name, value in vals.items()]
        found = holds.search([*domain, ("state", "=", "open")], limit=1)
        return found or holds.create(
            {**vals, "date_to": scope.get("date_to") or False, "reason": reason}
        )

    def _on_opened(self):
        """Write the events, and ask the success manager to look at disputes."""
        for hold in self:
            hold._saas_emit("usage.held", hold._get_facts())
            # sudo: who looks after the account, whoever disputes
            manager = hold.sudo().partner_id.saas_csm_id
            if hold.kind == "dispute" and manager and manager != self.env.user:
                # sudo: the activity is the manager's, whoever disputes
                hold.sudo().activity_schedule(
                    "mail.mail_activity_data_todo",
                    user_id=manager.id,
                    summary=self.env._("Usage is disputed"),
                    note=plaintext2html(hold.reason),
                )

    def action_release(self) -> bool:
        """Let the usage be billed again; needs a note of what was found.

        :return: True
        :raise AccessError: not a billing operator
        :raise UsageHoldError: no note
        """
        self.check_access("write")
        if not self.env.user.has_group(OPERATOR):
            raise AccessError(
                self.env._("Holds are released by Billing Operators. Ask one of them.")
            )
        for hold in self.filtered(lambda hold: hold.state == "open"):
            if not (hold.release_note or "").strip():
                raise UsageHoldError(
                    self.env._(
                        "%(hold)s: write down what was found in the release note "
                        "first.",
                        hold=hold.name,
                    )
                )
            if hold.charge_id and not hold.decision:
                raise UsageHoldError(
                    self.env._(
                        "%(hold)s: choose the decision first. The customer sees it"
                        " beside the disputed charge.",
                        hold=hold.name,
                    )
                )
            hold._release(hold.release_note)
        return True

    def _release(self, note: str):
        """Let the usage of open holds be billed again; others are left alone.

        :param str note: what was found
        """
        # sudo: released by its own steps only
        for hold in self.sudo().filtered(lambda hold: hold.state == "open"):
            hold.write(
                {
                    "state": "released",
                    "released_by_id": self.env.uid,
                    "released_at": fields.Datetime.now(),
                    "release_note": note,
                }
            )
            hold.activity_unlink(["mail.mail_activity_data_todo"])
            hold._saas_emit("usage.released", hold._get_facts())

    def _get_facts(self) -> dict:
        """Return what the events tell about a hold."""
        self.ensure_one()
        return {
            "subscription": self.subscription_id.name,
            "meter": self.meter_id.code or None,
            "kind": self.kind,
            "date_from": self.date_from.isoformat(),
            "date_to": self.date_to.isoformat() if self.date_to else None,
        }

    # ------------------------------------------------------------------
    # What is held
    # ------------------------------------------------------------------
    def _covers(self, meter_id, start, end) -> bool:
        """Return whether any of the holds covers a charge of usage.

        :param int meter_id: meter of the charge; None: of no single one, then every
            hold of these days covers it
        :param date start: first day served
        :param date end: first day not served
        """
        return any(
            hold.date_from < end
            and (not hold.date_to or hold.date_to > start)
            and (not hold.meter_id or not meter_id or hold.meter_id.id == meter_id)
            for hold in self
        )

    def _saas_account(self):
        return self.partner_id
