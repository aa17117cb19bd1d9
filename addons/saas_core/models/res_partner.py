# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

LIFECYCLES = [
    ("prospect", "Prospect"),
    ("onboarding", "Onboarding"),
    ("live", "Live"),
    ("at_risk", "At Risk"),
    ("churned", "Churned"),
]
STANDINGS = [
    ("good", "Good"),
    ("grace", "Grace"),
    ("hold", "Hold"),
    ("closed", "Closed"),
]
ACCOUNT_FIELDS = (
    "saas_lifecycle",
    "saas_support_tier_id",
    "saas_standing",
    "saas_csm_id",
)
#: Roles that may change account facts by hand.
ACCOUNT_ROLES = (
    "saas_core.group_saas_core_customer_success",
    "saas_core.group_saas_core_subscription_manager",
    "saas_core.group_saas_core_billing_operator",
)
#: Portal and public users never see them, not even their own, not even over RPC.
INTERNAL = "base.group_user"
SAAS_USER = "saas_core.group_saas_core_user"


class ResPartner(models.Model):
    """The account: what the SaaS business knows about a customer.

    The facts live on the commercial partner; its contacts show copies.
    """

    _name = "res.partner"
    _inherit = ["res.partner", "saas.mixin"]

    saas_lifecycle = fields.Selection(
        LIFECYCLES,
        string="Lifecycle",
        tracking=True,
        index="btree_not_null",
        groups=INTERNAL,
        group_expand=True,
        help="Empty: no SaaS account, for example a supplier.",
    )
    saas_support_tier_id = fields.Many2one(
        "saas.support.tier",
        string="Support Tier",
        tracking=True,
        index="btree_not_null",
        ondelete="restrict",
        groups=INTERNAL,
        help="Drives SLA policy and routing of tickets.",
    )
    saas_standing = fields.Selection(
        STANDINGS,
        string="Standing",
        tracking=True,
        groups=INTERNAL,
        help="Payment behaviour: grace and hold follow overdue invoices.",
    )
    saas_csm_id = fields.Many2one(
        "res.users",
        string="Customer Success Manager",
        tracking=True,
        index="btree_not_null",
        ondelete="set null",
        groups=INTERNAL,
        domain="[('share', '=', False)]",
    )
    saas_external_id_ids = fields.One2many(
        "saas.external.id", "partner_id", string="External IDs", groups=SAAS_USER
    )
    saas_is_account = fields.Boolean(
        compute="_compute_saas_is_account",
        groups=INTERNAL,
        help="The partner is a commercial entity and holds the facts itself.",
    )
    saas_can_edit_account = fields.Boolean(
        compute="_compute_saas_can_edit_account", groups=INTERNAL
    )
    saas_subsidiary_ids = fields.One2many(
        "res.partner",
        "parent_id",
        string="Subsidiaries",
        domain=[("is_company", "=", True)],
        readonly=True,
        groups=SAAS_USER,
    )

    # ------------------------------------------------------------------
    # Compute
    # ------------------------------------------------------------------
    @api.depends("commercial_partner_id")
    def _compute_saas_is_account(self):
        for partner in self:
            partner.saas_is_account = (
                not partner.commercial_partner_id
                or partner.commercial_partner_id == partner
            )

    @api.depends_context("uid")
    @api.depends("commercial_partner_id")
    def _compute_saas_can_edit_account(self):
        allowed = self._may_edit_account()
        for partner in self:
            partner.saas_can_edit_account = allowed and partner.saas_is_account

    def _compute_saas_count(self, model, field_name, domain):
        """Count what concerns the account, not only the contact's own rows."""
        accounts = self.commercial_partner_id
        groups = self.env[model]._read_group(
            [("account_id", "in", accounts.ids), *domain], ["account_id"], ["__count"]
        )
        counts = {account.id: count for account, count in groups}
        for partner in self:
            partner[field_name] = counts.get(partner.commercial_partner_id.id, 0)

    def _get_saas_link_domain(self):
        return [("account_id", "in", self.commercial_partner_id.ids)]

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.constrains("saas_csm_id")
    def _check_saas_csm_id(self):
        for partner in self:
            if partner.sudo().saas_csm_id.share:
                raise ValidationError(
                    self.env._(
                        "The customer success manager must be an employee's user."
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if any(vals.get(name) for name in ACCOUNT_FIELDS):
                self._check_may_edit_account()
                self._complete_account_vals(vals)
        partners = super().create(vals_list)
        for partner in partners:
            partner._emit_account_changes({})
        return partners

    def write(self, vals):
        if not any(name in vals for name in ACCOUNT_FIELDS):
            return super().write(vals)
        # Reading the old values needs no right the writer must have.
        before = {
            partner.id: {name: partner[name] for name in ACCOUNT_FIELDS}
            for partner in self.sudo()
        }
        if self._is_account_change(vals):
            self._check_may_edit_account()
            self._write_to_account(vals)
        result = super().write(self._complete_account_vals(dict(vals)))
        for partner in self:
            partner._emit_account_changes(before[partner.id])
        return result

    def _is_account_change(self, vals):
        """Whether values change account facts, and not just copy them to a contact."""
        for partner in self.sudo():
            for name in ACCOUNT_FIELDS:
                if name not in vals:
                    continue
                field = self._fields[name]
                if field.convert_to_write(partner[name], partner) != (
                    vals[name] or False
                ):
                    return True
        return False

    def _write_to_account(self, vals):
        """Write facts given for a contact to its account, which copies them back."""
        if "parent_id" in vals:
            return
        facts = {name: vals[name] for name in ACCOUNT_FIELDS if name in vals}
        accounts = (self.commercial_partner_id - self).sudo()  # checked before
        stale = accounts.filtered(lambda account: account._is_account_change(facts))
        if stale:
            stale.write(facts)

    def _complete_account_vals(self, vals):
        """A new account is in good standing until somebody says otherwise."""
        if vals.get("saas_lifecycle") and "saas_standing" not in vals:
            if not self or not all(p.saas_standing for p in self.sudo()):
                vals["saas_standing"] = "good"
        return vals

    @api.model
    def _may_edit_account(self):
        return self.env.su or any(self.env.user.has_group(r) for r in ACCOUNT_ROLES)

    @api.model
    def _check_may_edit_account(self):
        if not self._may_edit_account():
            raise AccessError(
                self.env._(
                    "Lifecycle, support tier, standing and CSM of an account are"
                    " changed by Customer Success, Subscription Managers, Billing"
                    " Operators and SaaS Administrators. Ask one of them."
                )
            )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_in_ledger(self):
        # Whether there are events is no secret from somebody deleting the contact.
        events = self.env["saas.event"].sudo()
        if events.search_count([("account_id", "in", self.ids)], limit=1):
            raise UserError(
                self.env._(
                    "The event ledger names this account, and the ledger never forgets."
                    " Archive the contact instead."
                )
            )

    # ------------------------------------------------------------------
    # Business
    # ------------------------------------------------------------------
    def _emit_account_changes(self, before):
        """Write the events of changed facts, for accounts, not for their contacts."""
        self.ensure_one()
        partner = self.sudo()  # facts are read for the ledger, not shown
        if partner.commercial_partner_id != partner:
            return
        for name, event in (
            ("saas_lifecycle", "account.lifecycle_changed"),
            ("saas_standing", "account.standing_changed"),
        ):
            old, new = before.get(name) or False, partner[name]
            # A first "good" is no news.
            if old == new or (name == "saas_standing" and not old and new == "good"):
                continue
            reason = self.env.context.get("saas_reason") or ""
            self._saas_emit(
                event, {"from": old or "", "to": new or "", "reason": reason}
            )

    def _saas_set_lifecycle(self, target, reason=None):
        """Move accounts to a lifecycle stage; those already there are left alone.

        Contacts stand for their account.

        :param str target: prospect, onboarding, live, at_risk or churned
        :param str reason: why, kept in the event and in the chatter
        :return: the accounts that changed
        :raise UserError: unknown stage
        """
        if target not in dict(LIFECYCLES):
            raise UserError(
                self.env._("“%(stage)s” is no lifecycle stage.", stage=target)
            )
        return self._saas_set_account_fact("saas_lifecycle", target, reason)

    def _saas_set_standing(self, target, reason=None):
        """Move accounts to a standing; those already there are left alone.

        :param str target: good, grace, hold or closed
        :param str reason: why, kept in the event and in the chatter
        :return: the accounts that changed
        :raise UserError: unknown standing
        """
        if target not in dict(STANDINGS):
            raise UserError(self.env._("“%(name)s” is no standing.", name=target))
        return self._saas_set_account_fact("saas_standing", target, reason)

    def _saas_set_account_fact(self, name, target, reason):
        # Automation moves accounts on behalf of users who may not edit contacts.
        accounts = self.sudo().commercial_partner_id
        changed = accounts.filtered(lambda a: a[name] != target)
        changed.with_context(saas_reason=reason).write({name: target})
        if reason:
            for account in changed:
                account.message_post(body=reason)
        return changed.sudo(self.env.su)

    def saas_notify_at_risk(self):
        """Give the CSM of each account at risk an activity.

        Called by the shipped automation rule; calling it again makes no second one.

        :return: True
        """
        self.check_access("read")
        summary = self.env._("Account at risk: call the customer")
        # The rule runs as whoever changed the stage; the activity is for the CSM.
        for account in self.sudo():
            csm = account.saas_csm_id
            open_ones = account.activity_ids.filtered(
                lambda a, csm=csm: a.user_id == csm and a.summary == summary
            )
            if account.saas_lifecycle == "at_risk" and csm and not open_ones:
                account.activity_schedule(
                    "mail.mail_activity_data_call", summary=summary, user_id=csm.id
                )
        return True

    # ------------------------------------------------------------------
    # Hooks
    # ------------------------------------------------------------------
    @api.model
    def _commercial_fields(self):
        return super()._commercial_fields() + list(ACCOUNT_FIELDS)

    def _saas_account(self):
        return self.commercial_partner_id

    def _saas_correlation(self):
        """An account is no process: the process going on lends its id."""
        return (
            self.env.context.get("saas_correlation_id") or super()._saas_correlation()
        )
