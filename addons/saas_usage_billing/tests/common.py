# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, timedelta, timezone
from itertools import count

from odoo import Command
from odoo.tests import TransactionCase, new_test_user

ROLE = "saas_core.group_saas_core_"
NOW = datetime(2026, 4, 10, 12, 0, tzinfo=timezone.utc)
TIER_TABLE = [(100, 0.0), (500, 0.05), (0, 0.02)]


class UsageFixture:
    """A company with a source, meters, priced products and one subscription."""

    @classmethod
    def create_world(cls):
        cls.numbers = count(1)
        cls.company = cls.create_company("Cloud Usage Ltd")
        cls.env = cls.env(
            context=dict(
                cls.env.context,
                tracking_disable=True,
                no_reset_password=True,
                allowed_company_ids=cls.company.ids,
            )
        )
        cls.company = cls.company.with_env(cls.env)
        cls.source = cls.env["saas.usage.source"].create(
            {"name": "Web Log", "code": "weblog", "max_age_days": 3650}
        )
        cls.calls_meter = cls.create_meter("API calls", "calls", "count")
        cls.bytes_meter = cls.create_meter("Traffic", "bytes", "sum", "bytes")
        cls.plan = cls.env["saas.plan"].create(
            {"name": "Business", "company_id": cls.company.id}
        )
        cls.calls = cls.create_product("API calls", cls.calls_meter)
        cls.traffic = cls.create_product("Traffic", cls.bytes_meter)
        cls.partner = cls.create_partner("Acme GmbH")
        cls.subscription = cls.create_subscription(cls.partner)
        cls.tie("client-1", cls.subscription)

    @classmethod
    def create_company(cls, name):
        company = cls.env["res.company"].create(
            {"name": name, "currency_id": cls.env.ref("base.EUR").id}
        )
        cls.env.ref("base.EUR").active = True
        cls.env.user.write({"company_ids": [Command.link(company.id)]})
        return company

    @classmethod
    def create_partner(cls, name, **vals):
        return cls.env["res.partner"].create(
            {"name": name, "is_company": True, "tz": "UTC", **vals}
        )

    @classmethod
    def create_meter(cls, name, code, aggregation, key=False, **vals):
        return cls.env["saas.meter"].create(
            {
                "name": name,
                "code": code,
                "event_type": "test.request",
                "aggregation": aggregation,
                "value_key": key,
                "unit": name,
                "company_id": cls.company.id,
                **vals,
            }
        )

    @classmethod
    def create_product(cls, name, meter):
        return cls.env["product.product"].create(
            {
                "name": name,
                "type": "service",
                "company_id": cls.company.id,
                "saas_charge_kind": "usage",
                "saas_meter_id": meter.id,
                "taxes_id": [Command.clear()],
            }
        )

    @classmethod
    def create_subscription(cls, partner, products=None, activate=True, **vals):
        products = products or cls.calls + cls.traffic
        start = vals.get("date_start", date(2026, 3, 1))
        subscription = cls.env["saas.subscription"].create(
            {
                "partner_id": partner.id,
                "plan_id": cls.plan.id,
                "date_start": start,
                "tz": "UTC",
                "company_id": cls.company.id,
                "line_ids": [
                    Command.create({"product_id": product.id, "date_start": start})
                    for product in products
                ],
                **vals,
            }
        )
        if activate:
            subscription.action_activate()
        return subscription

    @classmethod
    def create_price(cls, product=None, tiers=None, **vals):
        product = product or cls.calls
        if tiers is None and not vals:
            tiers = TIER_TABLE
        if tiers:
            vals.setdefault("model", "graduated")
            vals["tier_ids"] = [
                Command.create({"up_to": up_to, "unit_price": price})
                for up_to, price in tiers
            ]
        return cls.env["saas.usage.price"].create(
            {
                "product_tmpl_id": product.product_tmpl_id.id,
                "company_id": cls.company.id,
                "currency_id": cls.company.currency_id.id,
                **vals,
            }
        )

    @classmethod
    def tie(cls, subject, subscription=None, partner=None, source="weblog"):
        return cls.env["saas.external.id"].create(
            {
                "source": source,
                "kind": "subject",
                "value": subject,
                "company_id": cls.company.id,
                "subscription_id": subscription.id if subscription else False,
                "partner_id": partner.id if partner else False,
            }
        )

    @classmethod
    def event(cls, **changes):
        """Return a good event with an id of its own; None takes a key out."""
        event = {
            "specversion": "1.0",
            "id": f"e{next(cls.numbers)}",
            "source": "weblog",
            "type": "test.request",
            "subject": "client-1",
            "time": "2026-04-01T10:00:00Z",
            "data": {"bytes": 10, "path": "/"},
        }
        event.update(changes)
        return {key: value for key, value in event.items() if value is not None}

    @classmethod
    def ingest(cls, events, at=NOW, **kwargs):
        return cls.env["saas.usage.event"]._ingest(list(events), at=at, **kwargs)

    @classmethod
    def ingest_counts(cls, events, **kwargs):
        return tuple(cls.ingest(events, **kwargs).counts.values())

    @classmethod
    def store(cls, number, day, subject="client-1", **data):
        """Store some events of a day, minutes apart."""
        first = datetime.fromisoformat(f"{day}T00:30:00+00:00")
        events = [
            cls.event(
                subject=subject,
                time=(first + timedelta(minutes=n)).isoformat(),
                data={"bytes": 10, **data},
            )
            for n in range(number)
        ]
        result = cls.ingest(events, at=first + timedelta(days=1))
        assert result.counts["stored"] == number, result.outcomes[:3]
        return result

    @classmethod
    def events_of(cls, subscription=None):
        return cls.env["saas.usage.event"].search(
            [("subscription_id", "=", (subscription or cls.subscription).id)]
        )

    @classmethod
    def new_user(cls, login, role, company=None):
        company = company or cls.company
        groups = role if "." in role else f"{ROLE}{role}"
        return new_test_user(
            cls.env,
            login=login,
            groups=groups,
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )


class UsageCase(UsageFixture, TransactionCase):
    """Usage world in a transaction."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_world()
