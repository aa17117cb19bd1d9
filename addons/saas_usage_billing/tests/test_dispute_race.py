# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import threading
from datetime import date

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.service.model import retrying
from odoo.tests import BaseCase, get_db_name, tagged
from odoo.tools import mute_logger

CODE = "dispute_race"
MARCH, APRIL = date(1995, 3, 1), date(1995, 4, 1)


@tagged("post_install", "-at_install")
class TestDisputeRace(BaseCase):
    """The same dispute sent twice at once, in real transactions, is one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.registry = Registry(get_db_name())

    def setUp(self):
        super().setUp()
        self.made = []
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {"tracking_disable": True})
            meter = self.make(env, "saas.meter", code=CODE, event_type=CODE)
            product = self.make(
                env,
                "product.product",
                type="service",
                saas_charge_kind="usage",
                saas_meter_id=meter.id,
            )
            template = product.product_tmpl_id.id
            price = self.make(env, "saas.usage.price", product_tmpl_id=template)
            subscription = self.make(
                env,
                "saas.subscription",
                plan_id=self.make(env, "saas.plan").id,
                partner_id=env.company.partner_id.id,
                date_start=MARCH,
            )
            charge = self.make(
                env,
                "saas.charge",
                subscription_id=subscription.id,
                company_id=env.company.id,
                currency_id=env.company.currency_id.id,
                product_id=product.id,
                kind="usage",
                ref=price._get_charge_ref(self),
                service_start=MARCH,
                service_end=APRIL,
                details={"price_id": price.id, "bounds": {}},
            )
            self.charge_id = charge.id
        self.addCleanup(self.clean)

    #: Of the period that is charged.
    start = MARCH

    def make(self, env, model, **vals):
        if model != "saas.subscription":
            vals["name"] = CODE
        record = env[model].create(vals)
        self.made.append((model, record.id))
        return record

    def clean(self):
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            holds = env["saas.usage.hold"].search([("charge_id", "=", self.charge_id)])
            cr.execute("ALTER TABLE saas_event DISABLE TRIGGER USER")
            cr.execute(
                "DELETE FROM saas_event WHERE res_model = %s AND res_id = ANY(%s)",
                [holds._name, holds.ids],
            )
            cr.execute("ALTER TABLE saas_event ENABLE TRIGGER USER")
            holds.unlink()
            cr.execute("ALTER TABLE saas_charge DISABLE TRIGGER USER")
            cr.execute("DELETE FROM saas_charge WHERE id = %s", [self.charge_id])
            cr.execute("ALTER TABLE saas_charge ENABLE TRIGGER USER")
            env.invalidate_all()
            for model, record_id in reversed(self.made):
                if model != "saas.charge":
                    env[model].browse(record_id).unlink()

    def dispute(self, number, gate, results):
        """Dispute the charge as a request does, having looked when others did."""
        tries = []

        def step():
            charge = env["saas.charge"].browse(self.charge_id)
            if not tries:
                charge._get_dispute()
                gate.wait(30)
            tries.append(number)
            return charge._open_dispute(f"Sent {number}").id

        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            results[number] = retrying(step, env)

    @mute_logger("odoo.sql_db")
    def test_the_same_dispute_at_once_is_one(self):
        results, gate = {}, threading.Barrier(2)
        threads = [
            threading.Thread(target=self.dispute, args=(number, gate, results))
            for number in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(len(results), 2)
        self.assertEqual(len(set(results.values())), 1)
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            holds = env["saas.usage.hold"].search([("charge_id", "=", self.charge_id)])
            self.assertEqual(holds.ids, [results[0]])
            self.assertEqual(holds.state, "open")
