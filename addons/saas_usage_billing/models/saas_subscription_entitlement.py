# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What customers may use now: for their products over HTTP, and for people."""

from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.saas_subscription_ops.engine.period import local_day

from ..engine.entitlement import NOTHING, remaining, resolve
from ..exceptions import AmbiguousSubjectError
from .saas_subscription_usage_periods import to_naive
from .saas_usage_price import format_quantity

#: States that grant something: nothing is used in a pause.
GRANTING = ("trial", "active")
#: Fields the running period is computed from.
_OF_PERIOD = {
    "saas.subscription": (
        "tz",
        "plan_id",
        "currency_id",
        "company_id",
        "anchor_date",
        "date_start",
        "date_end",
        "trial_end",
    ),
    "saas.plan": (
        "recurrence_unit",
        "recurrence_count",
        "alignment",
        "proration_policy",
        "grace_days",
    ),
    "res.currency": ("rounding",),
}
#: Standings of an account that end it, too.
BARRED = ("hold", "closed")
_BY_SUBJECT = """
    SELECT e.subscription_id,
           COALESCE(s.commercial_partner_id, p.commercial_partner_id) AS account_id
      FROM saas_external_id e
      LEFT JOIN saas_subscription s ON s.id = e.subscription_id
      LEFT JOIN res_partner p ON p.id = e.partner_id
     WHERE e.company_id = %(company)s AND e.kind = 'subject'
       AND e.value = %(subject)s AND (%(source)s = '' OR e.source = %(source)s)
       AND e.source != ALL(%(foreign)s)
"""
_BY_ID = """
    SELECT id AS subscription_id, commercial_partner_id AS account_id
      FROM saas_subscription WHERE id = %(id)s
"""
# An account without running subscriptions is known all the same.
_FIND = """
    WITH target AS (%(target)s)
    SELECT a.id, a.saas_standing, s.id, s.name, s.state, s.plan_id, now.day,
           (SELECT jsonb_object_agg(have.product_id, have.quantity::text)
              FROM (
                    SELECT l.product_id, sum(l.quantity) AS quantity
                      FROM saas_subscription_line l
                     WHERE l.subscription_id = s.id AND l.date_start <= now.day
                       AND (l.date_end IS NULL OR l.date_end > now.day)
                     GROUP BY l.product_id
                   ) have)
      FROM target t
      JOIN res_partner a ON a.id = t.account_id
      LEFT JOIN saas_subscription s
        ON s.company_id = %(company)s AND s.state != 'draft'
       AND CASE WHEN t.subscription_id IS NOT NULL THEN s.id = t.subscription_id
                ELSE s.commercial_partner_id = t.account_id
                     AND s.state IN ('trial', 'active', 'paused') END
      CROSS JOIN LATERAL (
            SELECT (%(now)s::timestamp AT TIME ZONE 'UTC'
                    AT TIME ZONE COALESCE(s.tz, 'UTC'))::date AS day
           ) now
     ORDER BY s.name, s.id
"""


@dataclass(frozen=True, slots=True)
class Entitled:
    """A subscription as far as it decides about features.

    ``quantities``: of each product in force on ``day``, the local one, by its id.
    """

    account_id: int
    standing: str
    subscription_id: int
    name: str
    state: str
    plan_id: int
    day: date
    quantities: dict[int, Decimal] = field(default_factory=dict)

    @property
    def may_use(self):
        """Return whether anything is granted at all."""
        return self.state in GRANTING and self.standing not in BARRED

    @property
    def holders(self):
        """Yield whose entitlements count, see ``Definitions``."""
        yield "plan", self.plan_id
        yield "subscription", self.subscription_id
        for product_id in self.quantities:
            yield "product", product_id


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    entitlement_ids = fields.One2many(
        "saas.entitlement",
        "subscription_id",
        groups="saas_core.group_saas_core_user",
    )
    entitlement_html = fields.Html(
        compute="_compute_entitlement_html",
        string="Features in Force",
        sanitize=False,
        groups="saas_core.group_saas_core_user",
    )

    def _compute_entitlement_html(self):
        now = datetime.now(timezone.utc)
        for subscription in self:
            subscription.entitlement_html = subscription._render_entitlements(now)

    def _render_entitlements(self, now):
        """Return the features in force as markup; nothing where none are defined."""
        # sudo: standing, products and meters, for whoever sees the subscription
        subscription = self.sudo()
        company = subscription.company_id
        target = SQL(_BY_ID, id=self._origin.id or 0)
        found = subscription._find_entitled(target, company, now)
        features = self.env["saas.feature"].search(
            [("company_id", "in", (company.id, False))]
        )
        if not features or not found or not found[0].subscription_id:
            return False
        return self.env["ir.qweb"]._render(
            "saas_usage_billing.entitlements",
            {
                "rows": subscription._answer_features(found[0], company, now),
                "entitled": found[0],
                "features": features.grouped("code"),
                "format_quantity": format_quantity,
            },
        )

    # ------------------------------------------------------------------
    # Over HTTP
    # ------------------------------------------------------------------
    @api.model
    def _get_entitlement_answer(
        self, subject, source="", feature="", wallets=False, now=None
    ):
        """Return what a subject of the company may use, as the API answers it.

        Numbers are text, so that no digit is lost; a limit of None is none.

        :param str subject: as in events
        :param str source: code of the source that knows it so; empty: any the user may
            ask by
        :param str feature: code of the only feature asked for; empty: all
        :param bool wallets: also tell the prepaid credit of the account
        :param now: aware UTC datetime, default now
        :return: dict of plain values; None when nobody is known by that name
        :raise AmbiguousSubjectError: several accounts are
        """
        now = now or datetime.now(timezone.utc)
        company = self.env.company
        # sudo: the role Integration may ask by name, not read subscriptions
        Subscription = self.sudo()
        External = self.env["saas.external.id"]
        target = SQL(
            _BY_SUBJECT,
            company=company.id,
            subject=External._normalise_value(subject),
            source=External._normalise_key(source),
            foreign=self.env["saas.usage.event"]._get_sources_not_asked_by(),
        )
        found = Subscription._find_entitled(target, company, now)
        accounts = {one.account_id for one in found}
        if not accounts:
            return None
        if len(accounts) > 1:
            raise AmbiguousSubjectError(self._get_ambiguous_message())
        own = {one.subscription_id: one for one in found if one.subscription_id}
        credit = {}
        if wallets:
            account = Subscription.env["res.partner"].browse(accounts)
            credit["wallets"] = Subscription._find_wallets(
                account, company
            )._prepare_answer(now)
        return {
            "subject": subject,
            "account_standing": found[0].standing,
            **credit,
            "subscriptions": [
                {
                    "subscription": one.name,
                    "state": one.state,
                    "features": Subscription._answer_features(
                        one, company, now, feature
                    ),
                }
                for one in own.values()
            ],
        }

    @api.model
    def _find_entitled(self, target, company, now):
        """Read who is entitled, in one statement.

        :param SQL target: statement of (subscription_id, account_id)
        :param company: ``res.company``
        :param now: aware UTC datetime
        :return: list of ``Entitled``; without a subscription where an account has none
        """
        self.env.flush_all()
        query = SQL(_FIND, target=target, company=company.id, now=to_naive(now))
        return [
            Entitled(
                account_id,
                standing or "good",
                *values,
                {int(product): Decimal(number) for product, number in have.items()}
                if have
                else {},
            )
            for account_id, standing, *values, have in self.env.execute_query(query)
        ]

    @api.model
    def _answer_features(self, entitled, company, now, feature=""):
        """Return what a subscription may use, feature by feature.

        :param Entitled entitled: the subscription
        :param company: its ``res.company``
        :param now: aware UTC datetime
        :param str feature: code of the only one asked for; empty: all
        :return: list of dicts of plain values
        """
        given = self.env["saas.entitlement"]._get_definitions(company.id)
        granted = {}
        if entitled.may_use:
            rows = (row for key in entitled.holders for row in given.rows.get(key, ()))
            granted = resolve(rows, entitled.quantities, entitled.day)
        features = [one for one in given.features if not feature or one[0] == feature]
        metered = {
            meter_id
            for code, kind, meter_id in features
            if kind == "metered" and granted.get(code, NOTHING).is_granted
        }
        subscription = self.browse(entitled.subscription_id)
        used = subscription._measure_entitled(sorted(metered), now) if metered else {}
        return [
            self._answer_feature(
                code, kind, granted.get(code, NOTHING), used.get(meter_id)
            )
            for code, kind, meter_id in features
        ]

    @api.model
    def _answer_feature(self, code, kind, entitlement, measured):
        """Return the answer about one feature.

        :param tuple measured: see ``_measure_entitled``; None: nothing is granted
        """
        answer = {
            "code": code,
            "kind": kind,
            "granted": entitlement.is_granted,
            "value": None,
            "limit": None,
            "used": None,
            "remaining": None,
            "overage": None,
            "resets_at": None,
        }
        if kind == "text":
            answer["value"] = entitlement.text or None
        if kind not in ("limit", "metered"):
            return answer
        answer["limit"] = _text(entitlement.limit)
        answer["overage"] = "soft" if entitlement.is_soft else "hard"
        if kind == "metered":
            used = Decimal(0)
            if entitlement.is_granted:
                used, end = measured
                answer.update(used=_text(used), resets_at=end and f"{end.isoformat()}Z")
            answer["remaining"] = _text(remaining(entitlement, used))
        return answer

    def _measure_entitled(self, meter_ids, now):
        """Return what meters counted in the running period, all at once.

        :param list meter_ids: ids of ``saas.meter``
        :param now: aware UTC datetime
        :return: dict of meter id to quantity and end of the period in UTC, None where
            nothing begins anew
        """
        # Else all that is known of the three is fetched, for a handful of fields.
        self.fetch(_OF_PERIOD["saas.subscription"])
        self.plan_id.fetch(_OF_PERIOD["saas.plan"])
        self.currency_id.fetch(_OF_PERIOD["res.currency"])
        period = self._get_current_period(now)
        if not period:
            return dict.fromkeys(meter_ids, (Decimal(0), None))
        first, last = (
            local_day(moment.replace(tzinfo=timezone.utc), self.tz) for moment in period
        )
        days = self._make_days(first, last)
        meters = self.env["saas.meter"].browse(meter_ids)
        parts = [(meter, meter._get_spec(), [days]) for meter in meters]
        return {
            # A level does not begin anew.
            meter.id: (groups[()].quantity, None if spec.is_level else period[1])
            for (meter, spec, _days), [groups] in zip(
                parts, self._measure_live_parts(parts), strict=True
            )
        }


def _text(number):
    return None if number is None else format(number.normalize() + 0, "f")
