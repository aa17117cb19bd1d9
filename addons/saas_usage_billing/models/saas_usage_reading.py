# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import contextlib
import functools
import json
from decimal import Decimal

from odoo import api, fields, models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL

from .saas_usage_price import format_quantity
from .usage_fields import BigInteger
from .usage_reading_book import Reading, ReadingBook, dump_groups, load_groups
from .usage_store_api import Bounds, Window


class SaasUsageReading(models.Model):
    """What a closed period was measured to be, so that events are not read again.

    Written by billing runs. A reading counts only where it is proved to be what the
    events say, see ``usage_reading_book``; it can be deleted at any time, which costs
    the next run time, never an amount.
    """

    _name = "saas.usage.reading"
    _description = "Usage Reading"
    _inherit = ["saas.default.guard"]
    _order = "time_start desc, id desc"
    _check_company_auto = True

    subscription_id = fields.Many2one(
        "saas.subscription", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="cascade"
    )
    partner_id = fields.Many2one(
        related="subscription_id.commercial_partner_id", string="Account"
    )
    meter_id = fields.Many2one(
        "saas.meter", required=True, readonly=True, index=True, ondelete="cascade"
    )
    event_type = fields.Char(required=True, readonly=True)
    time_start = fields.Datetime(string="From", required=True, readonly=True)
    time_end = fields.Datetime(
        string="Until", required=True, readonly=True, help="No longer in the period."
    )
    tz = fields.Char(string="Time Zone", required=True, readonly=True)
    definition = fields.Char(
        required=True,
        readonly=True,
        help="Changes with all that decides about the quantity: the meter, and the "
        "values by which prices share its events.",
    )
    groups = fields.Json(readonly=True)
    measured = fields.Json(
        readonly=True, help="Which requests there were when the events were read."
    )
    seen = fields.Json(
        readonly=True,
        help="Which requests there were when the store said that nothing had come or "
        "been taken back since.",
    )
    event_count = BigInteger(string="Events", readonly=True)
    quantity_text = fields.Char(string="Quantity", compute="_compute_quantity_text")
    is_shared = fields.Boolean(
        string="In Parts",
        compute="_compute_quantity_text",
        help="By dimension, or by the prices that share the events.",
    )

    _window_uniq = models.UniqueIndex(
        "(subscription_id, time_start, time_end, tz, definition)",
        "A period is read once for each definition.",
    )

    @api.depends("groups")
    def _compute_quantity_text(self):
        for reading in self:
            rows = reading.groups or []
            reading.is_shared = any(texts for texts, *_rest in rows)
            reading.quantity_text = "; ".join(
                format_quantity(Decimal(quantity)) for _texts, quantity, *_rest in rows
            )

    @api.depends("subscription_id", "meter_id", "time_start")
    def _compute_display_name(self):
        for reading in self:
            names = [reading.subscription_id.name, reading.meter_id.name]
            reading.display_name = " / ".join(filter(None, names))

    # ------------------------------------------------------------------
    # Read
    # ------------------------------------------------------------------
    @api.model
    def _open(self, windows, bounds) -> ReadingBook:
        """Look for readings of some windows, once for all of them.

        :param windows: ``Window``
        :param bounds: ``Bounds`` of what is looked at
        :return: measures them as the store does
        """
        return ReadingBook(self.env, windows, bounds)

    @api.model
    def _find(self, windows) -> dict:
        """Return what is known of some windows.

        :param windows: ``Window``
        :return: dict of (definition, window) to ``Reading``
        """
        wanted = set(windows)
        if not wanted:
            return {}
        rows = self.env.execute_query(
            SQL(
                """
                SELECT id, subscription_id, time_start, time_end, tz, definition,
                       event_type, groups, measured::text, seen::text
                  FROM saas_usage_reading
                 WHERE subscription_id = ANY(%s)
                   AND time_start >= %s AND time_end <= %s
                """,
                sorted({window.subscription_id for window in wanted}),
                min(window.start for window in wanted),
                max(window.end for window in wanted),
            )
        )
        result = {}
        # Thousands of readings were made at few moments, each with a long text.
        moment = functools.cache(lambda text: Bounds.from_dict(json.loads(text)))
        for record_id, *place, definition, event_type, groups, measured, seen in rows:
            window = Window(*place)
            if window in wanted:
                result[definition, window] = Reading(
                    record_id,
                    event_type,
                    load_groups(groups),
                    moment(measured),
                    moment(seen),
                )
        return result

    # ------------------------------------------------------------------
    # Write
    # ------------------------------------------------------------------
    @api.model
    def _keep(self, fresh, seen_on, bounds):
        """Remember what was read, and what was found to stand.

        What another transaction writes at the same time is left to it: a reading less
        costs time only.

        :param list fresh: ``NewReading``
        :param list seen_on: ids of readings that stand
        :param bounds: ``Bounds`` they were read with, and stand up to
        """
        if not fresh and not seen_on:
            return
        text = json.dumps(bounds.as_dict())
        with contextlib.suppress(*PG_CONCURRENCY_EXCEPTIONS_TO_RETRY):
            with self.env.cr.savepoint(flush=False):
                if seen_on:
                    self._see_on(seen_on, text)
                if fresh:
                    self._insert(fresh, text)

    def _see_on(self, reading_ids, text):
        self.env.cr.execute(
            SQL(
                """
                UPDATE saas_usage_reading SET seen = %s::jsonb
                 WHERE id IN (SELECT id FROM saas_usage_reading
                               WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE)
                """,
                text,
                reading_ids,
            )
        )

    def _insert(self, fresh, text):
        columns = [
            [one.window.subscription_id for one in fresh],
            [one.window.start for one in fresh],
            [one.window.end for one in fresh],
            [one.window.tz for one in fresh],
            [one.definition for one in fresh],
            [one.meter_id for one in fresh],
            [one.event_type for one in fresh],
            [json.dumps(dump_groups(one.groups)) for one in fresh],
            [sum(part.count for part in one.groups.values()) for one in fresh],
        ]
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO saas_usage_reading (
                    subscription_id, company_id, time_start, time_end, tz, definition,
                    meter_id, event_type, groups, event_count, measured, seen
                )
                SELECT sub.id, sub.company_id, w.t0, w.t1, w.tz, w.definition,
                       w.meter_id, w.event_type, w.groups::jsonb, w.count,
                       %(bounds)s::jsonb, %(bounds)s::jsonb
                  FROM unnest(%(subs)s::integer[], %(t0)s::timestamp[],
                              %(t1)s::timestamp[], %(tz)s::text[], %(keys)s::text[],
                              %(meters)s::integer[], %(types)s::text[],
                              %(groups)s::text[], %(counts)s::bigint[])
                       AS w(subscription_id, t0, t1, tz, definition, meter_id,
                            event_type, groups, count)
                  JOIN saas_subscription sub ON sub.id = w.subscription_id
                 ORDER BY 1, 3, 4, 5, 6
                ON CONFLICT (subscription_id, time_start, time_end, tz, definition)
                DO UPDATE SET groups = EXCLUDED.groups,
                              event_count = EXCLUDED.event_count,
                              meter_id = EXCLUDED.meter_id,
                              measured = EXCLUDED.measured, seen = EXCLUDED.seen
                """,
                bounds=text,
                **dict(
                    zip(
                        (
                            "subs",
                            "t0",
                            "t1",
                            "tz",
                            "keys",
                            "meters",
                            "types",
                            "groups",
                            "counts",
                        ),
                        columns,
                        strict=True,
                    )
                ),
            )
        )
