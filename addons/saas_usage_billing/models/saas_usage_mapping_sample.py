# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime, timezone

from odoo import api, fields, models

from ..engine.event import EventLimits, Rejection, validate
from .usage_json import load_flat
from .usage_mapping import MappingError, TooManyEventsError, apply
from .usage_origin import MappedEvent, Origin
from .usage_said import say_stored, store_said
from .usage_screen import dump

#: Whenever it happened: samples are kept for years.
_LIMITS = EventLimits(max_age=None, max_lead=None, allow_negative=True)
_NOW = datetime(2000, 1, 1, tzinfo=timezone.utc)
MAX_LENGTH = 100_000


class SaasUsageMappingSample(models.Model):
    """A payload as a source sends it, and the events it must become."""

    _name = "saas.usage.mapping.sample"
    _description = "Usage Mapping Sample"
    _order = "mapping_id, sequence, id"

    mapping_id = fields.Many2one(
        "saas.usage.mapping", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        related="mapping_id.company_id", store=True, index=True
    )
    sequence = fields.Integer(default=10)
    name = fields.Char(required=True, default=lambda self: self.env._("Sample"))
    payload = fields.Text(required=True, help="JSON, exactly as the source sends it.")
    expected = fields.Text(
        help="JSON list of the events that must come out. Empty: any, as long as they"
        " can be used."
    )
    result = fields.Text(compute="_compute_result", help="What comes out now.")
    is_ok = fields.Boolean(string="Passes", compute="_compute_result")
    problem = fields.Char(compute="_compute_result")

    def write(self, vals):
        result = super().write(vals)
        if {"mapping_id", "company_id"} & vals.keys():
            # Access was checked for where it was.
            self.check_access("write")
        if "mapping_id" in vals:
            self.mapping_id._check_samples()
        return result

    @api.depends(
        lambda self: (
            "payload",
            "expected",
            *(
                f"mapping_id.{name}"
                for name in self.env["saas.usage.mapping"]._get_term_fields()
            ),
        )
    )
    def _compute_result(self):
        for sample in self:
            events, problem = sample._try()
            sample.result = _write(events) if events else False
            sample.problem = problem or sample._compare(events)
            sample.is_ok = not sample.problem

    def _try(self):
        """Return what becomes of the payload: events, and what is wrong with them."""
        self.ensure_one()
        mapping = self.mapping_id
        if len(self.payload or "") > MAX_LENGTH:
            return [], self.env._(
                "A sample may have %(count)s characters: cut it down.", count=MAX_LENGTH
            )
        try:
            payload = load_flat(self.payload or "")
        except ValueError as error:
            return [], self.env._(
                "The payload is not valid JSON: %(problem)s.", problem=error
            )
        try:
            ready = mapping._compile()
            found = apply([ready], [payload], mapping.source_id.code or "", Origin(0))
        except MappingError as error:
            return [], mapping._get_problem(error)
        except TooManyEventsError:
            return [], self.env._("The payload makes too many events: cut it down.")
        if not found:
            return [], self.env._("No event comes out.")
        problems = [self._find_problem(event) for event in found]
        events = [event for event in found if isinstance(event, MappedEvent)]
        return events, next(filter(None, problems), False)

    def _find_problem(self, event):
        if not isinstance(event, MappedEvent):
            stored = store_said(event.error)
            return say_stored(self.env, stored) if stored else event.error
        found = validate(event, _NOW, _LIMITS)
        return found.message if isinstance(found, Rejection) else False

    def _compare(self, events):
        """Say how the events differ from what is expected, False when they do not."""
        if not (self.expected or "").strip():
            return False
        try:
            wanted = load_flat(self.expected)
        except ValueError as error:
            return self.env._(
                "What is expected is not valid JSON: %(problem)s.", problem=error
            )
        if not isinstance(wanted, list):
            return self.env._("Write what is expected as a list of events: [{...}].")
        if len(wanted) != len(events):
            return self.env._(
                "%(count)s events come out, %(wanted)s are expected.",
                count=len(events),
                wanted=len(wanted),
            )
        for number, (event, one) in enumerate(zip(events, wanted, strict=True), 1):
            difference = self._tell_difference(number, event, one)
            if difference:
                return difference
        return False

    def _tell_difference(self, number, event, wanted):
        if not isinstance(wanted, dict):
            return self.env._("Event %(number)s expected is no object.", number=number)
        for name in [*wanted, *(name for name in event if name not in wanted)]:
            # The source is the same for all.
            if name == "source" and name not in wanted:
                continue
            if event.get(name) != wanted.get(name):
                return self.env._(
                    "Event %(number)s: %(attribute)s is %(found)s, expected is"
                    " %(wanted)s.",
                    number=number,
                    attribute=name,
                    found=_write(event.get(name))[:200],
                    wanted=_write(wanted.get(name))[:200],
                )
        return False

    def action_take_result(self):
        """Expect what comes out now.

        :return: True
        """
        for sample in self:
            sample.expected = sample.result
        return True


def _write(value):
    """Return JSON for people, every digit of numbers kept."""
    text = dump(value, ascii_only=False, indent=2)
    return text.encode("utf-8", "replace").decode()
