# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

MERGE_CONFLICT = "external_id.merge_conflict"


class SaasExternalId(models.Model):
    """What an account is called in another system.

    Source and kind are kept in small letters. The value keeps its case, because most
    systems tell ``a1`` from ``A1``; white space around it is dropped.
    """

    _name = "saas.external.id"
    _description = "External ID"
    _inherit = ["mail.thread", "saas.mixin"]
    _order = "source, kind, value"
    _check_company_auto = True
    _rec_name = "value"
    _rec_names_search = ["value", "source", "partner_id"]

    source = fields.Char(
        required=True,
        index=True,
        help="The other system, for example product, stripe or crm. Small letters.",
    )
    kind = fields.Char(
        required=True, help="What is counted there: tenant, workspace, customer ..."
    )
    value = fields.Char(required=True, tracking=True, help="The id, upper/lower as is.")
    partner_id = fields.Many2one(
        "res.partner",
        string="Account",
        index="btree_not_null",
        ondelete="cascade",
        tracking=True,
        domain="['|', ('is_company', '=', True), ('parent_id', '=', False)]",
    )
    claimant_id = fields.Many2one(
        "res.partner",
        string="Also Claimed For",
        index="btree_not_null",
        ondelete="set null",
        readonly=True,
        copy=False,
        help="Another source names this account for the same id. Keep or move.",
    )
    has_conflict = fields.Boolean(
        compute="_compute_has_conflict", search="_search_has_conflict"
    )
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        ondelete="restrict",
        default=lambda self: self.env.company,
    )

    _value_unique = models.Constraint(
        "UNIQUE (company_id, source, kind, value)",
        "This external id is taken. Open the existing one instead.",
    )

    # ------------------------------------------------------------------
    # Compute, constraints, CRUD
    # ------------------------------------------------------------------
    @api.depends("source", "kind", "value")
    def _compute_display_name(self):
        for row in self:
            row.display_name = f"{row.source}/{row.kind}: {row.value}"

    @api.depends("claimant_id")
    def _compute_has_conflict(self):
        for row in self:
            row.has_conflict = bool(row.claimant_id)

    def _search_has_conflict(self, operator, value):
        if operator != "in":
            return NotImplemented
        if True in value and False in value:
            return []
        return [("claimant_id", "!=" if True in value else "=", False)]

    @api.constrains("source", "kind", "value")
    def _check_not_empty(self):
        for row in self:
            if not (row.source and row.kind and row.value):
                raise ValidationError(
                    self.env._("Source, kind and value must not be empty.")
                )

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._normalise_vals(vals) for vals in vals_list])

    def write(self, vals):
        return super().write(self._normalise_vals(vals))

    @api.model
    def _normalise_vals(self, vals):
        """Return the values as they are stored; see the class for the policy."""
        vals = dict(vals)
        for name in ("source", "kind"):
            if vals.get(name):
                vals[name] = self._normalise_key(vals[name])
        if vals.get("value"):
            vals["value"] = self._normalise_value(vals["value"])
        if vals.get("partner_id"):
            # A contact stands for its account, which the user may not be able to read.
            partner = self.env["res.partner"].sudo().browse(vals["partner_id"])
            vals["partner_id"] = partner.commercial_partner_id.id
        return vals

    @api.model
    def _normalise_key(self, key):
        return str(key).strip().lower()

    @api.model
    def _normalise_value(self, value):
        return str(value).strip()

    # ------------------------------------------------------------------
    # Resolve
    # ------------------------------------------------------------------
    @api.model
    def _resolve(self, source, kind, value, company):
        """Find what one external id stands for.

        :param str source: source system
        :param str kind: kind of id
        :param str value: the id
        :param company: ``res.company``
        :return: ``saas.external.id`` record, empty when unknown
        """
        found = self._resolve_many(source, kind, [value], company)
        return found.get(value, self.browse())

    @api.model
    def _resolve_many(self, source, kind, values, company):
        """Find what external ids stand for, in one query.

        :param str source: source system
        :param str kind: kind of id, for example ``tenant``
        :param values: iterable of ids, as the other system writes them
        :param company: ``res.company``
        :return: dict of each known value, as given, to its ``saas.external.id`` record
            (``partner_id``, and the targets other modules add)
        """
        clean = {value: self._normalise_value(value) for value in values}
        found = self.search_fetch(
            [
                ("company_id", "=", company.id),
                ("source", "=", self._normalise_key(source)),
                ("kind", "=", self._normalise_key(kind)),
                ("value", "in", list(set(clean.values()))),
            ],
            ["value"],
        )
        by_value = {row.value: row for row in found}
        return {
            value: by_value[stored]
            for value, stored in clean.items()
            if stored in by_value
        }

    # ------------------------------------------------------------------
    # Claim
    # ------------------------------------------------------------------
    @api.model
    def _claim(self, source, kind, value, partner, company):
        """Say that an external id belongs to an account.

        A new id is stored. The same claim again changes nothing. A claim for another
        account changes nothing either: it is noted and becomes the exception
        ``external_id.merge_conflict`` for a person to decide.

        :param str source: source system
        :param str kind: kind of id
        :param str value: the id
        :param partner: ``res.partner``
        :param company: ``res.company``
        :return: the ``saas.external.id``
        """
        account = partner.commercial_partner_id
        row = self._resolve(source, kind, value, company)
        if not row:
            return self.create(
                {
                    "source": source,
                    "kind": kind,
                    "value": value,
                    "partner_id": account.id,
                    "company_id": company.id,
                }
            )
        if not row.partner_id:
            row.partner_id = account
        elif row.partner_id != account:
            row._note_conflict(account)
        return row

    def _note_conflict(self, account):
        self.ensure_one()
        self.claimant_id = account
        self._saas_raise(
            MERGE_CONFLICT,
            self.env._(
                "%(id)s belongs to %(owner)s (%(owner_id)s) and is claimed for"
                " %(claimant)s (%(claimant_id)s) as well. Open the id and keep it, move"
                " it, or merge the two contacts.",
                id=self.display_name,
                owner=self.partner_id.display_name,
                owner_id=self.partner_id.id,
                claimant=account.display_name,
                claimant_id=account.id,
            ),
            queue="integration",
            severity="high",
        )

    def _after_partner_merge(self, partner):
        """Settle the conflicts a merge of contacts has made pointless.

        :param partner: the ``res.partner`` that is left
        """
        self.invalidate_model(["partner_id", "claimant_id"])
        rows = self.search([("partner_id", "=", partner.id)])
        settled = rows.filtered(lambda row: row.claimant_id == partner)
        settled.claimant_id = False
        settled._saas_resolve(MERGE_CONFLICT, self.env._("The contacts were merged."))
        loose = rows.filtered(
            lambda row: row.partner_id != row.partner_id.commercial_partner_id
        )
        for row in loose:
            row.partner_id = row.partner_id.commercial_partner_id

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_keep_account(self):
        """Leave the id with its account and drop the other claim.

        :return: True
        """
        self.check_access("write")
        for row in self.filtered("claimant_id"):
            note = self.env._(
                "Kept with %(owner)s, claim for %(claimant)s dropped.",
                owner=row.partner_id.display_name,
                claimant=row.claimant_id.display_name,
            )
            row.claimant_id = False
            row.message_post(body=note)
            row._saas_resolve(MERGE_CONFLICT, note)
        return True

    def action_move_to_claimant(self):
        """Give the id to the account that claims it.

        :return: True
        """
        self.check_access("write")
        for row in self.filtered("claimant_id"):
            note = self.env._(
                "Moved from %(owner)s to %(claimant)s.",
                owner=row.partner_id.display_name,
                claimant=row.claimant_id.display_name,
            )
            row.write({"partner_id": row.claimant_id.id, "claimant_id": False})
            row.message_post(body=note)
            row._saas_resolve(MERGE_CONFLICT, note)
        return True
