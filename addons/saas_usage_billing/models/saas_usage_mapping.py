# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.base.models.res_partner import _tz_get

from ..exceptions import UsageMappingError
from .usage_mapping import MappingError, MappingTerms, compile_mapping

#: Fields that say what a mapping does, beside the lines of its data.
TERMS = (
    "match",
    "items",
    "id_path",
    "type_path",
    "subject_path",
    "time_path",
    "time_format",
    "time_pattern",
    "tz",
    "value_path",
)


class SaasUsageMapping(models.Model):
    """How payloads of a source in a shape of their own become usage events.

    All paths are JMESPath. A path begins at the item, after ``$.`` at the whole
    payload, after ``^.`` at the object the item is in.
    """

    _name = "saas.usage.mapping"
    _description = "Usage Source Mapping"
    _inherit = ["mail.thread"]
    _order = "source_id, sequence, id"

    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(
        string="In Use",
        default=False,
        copy=False,
        tracking=True,
        help="Payloads of the source are mapped by it. Only possible while all samples"
        " give what is expected.",
    )
    sequence = fields.Integer(
        default=10, help="The first mapping that matches a payload makes its events."
    )
    source_id = fields.Many2one(
        "saas.usage.source",
        required=True,
        index=True,
        ondelete="cascade",
        tracking=True,
    )
    company_id = fields.Many2one(
        "res.company", related="source_id.company_id", store=True, index=True
    )
    match = fields.Char(
        string="Applies If",
        tracking=True,
        help="JMESPath that is true for the payloads this mapping is for. Empty: all.",
    )
    items = fields.Char(
        string="Path of the Items",
        tracking=True,
        help="JMESPath of the list in the payload whose objects become one event each."
        " Empty: the payload is one event.",
    )
    id_path = fields.Char(
        string="Event ID",
        tracking=True,
        help="Empty: an id is made of the content, the same item is the same event.",
    )
    type_path = fields.Char(
        string="Type",
        required=True,
        tracking=True,
        help="Path, or a fixed text in single quotes: 'api.call'",
    )
    subject_path = fields.Char(string="Subject", required=True, tracking=True)
    time_path = fields.Char(string="Time", required=True, tracking=True)
    time_format = fields.Selection(
        [
            ("rfc3339", "RFC 3339 (2026-04-01T10:00:00Z)"),
            ("epoch_s", "Seconds since 1970"),
            ("epoch_ms", "Milliseconds since 1970"),
            ("pattern", "A pattern"),
        ],
        required=True,
        default="rfc3339",
        tracking=True,
    )
    time_pattern = fields.Char(
        string="Pattern",
        tracking=True,
        help="For example %d/%m/%Y %H:%M:%S, with %z for an offset.",
    )
    tz = fields.Selection(
        _tz_get,
        string="Time Zone",
        required=True,
        default="UTC",
        tracking=True,
        help="Of times by a pattern without an offset.",
    )
    value_path = fields.Char(
        string="Value",
        tracking=True,
        help="Becomes data.value. Numbers keep every digit: divide and round in the"
        " price.",
    )
    data_ids = fields.One2many("saas.usage.mapping.data", "mapping_id", copy=True)
    sample_ids = fields.One2many(
        "saas.usage.mapping.sample", "mapping_id", string="Samples", copy=True
    )
    problem = fields.Char(compute="_compute_problem")

    @api.depends(lambda self: self._get_term_fields())
    def _compute_problem(self):
        for mapping in self:
            mapping.problem = False
            try:
                mapping._compile()
            except MappingError as error:
                mapping.problem = mapping._get_problem(error)

    @api.model
    def _get_term_fields(self):
        """Return the fields that say what a mapping does."""
        return (*TERMS, "data_ids.key", "data_ids.path")

    # ------------------------------------------------------------------
    # Checks
    # ------------------------------------------------------------------
    @api.constrains(*TERMS, "data_ids")
    def _check_paths(self):
        for mapping in self:
            try:
                mapping._compile()
            except MappingError as error:
                raise ValidationError(mapping._get_problem(error)) from error

    @api.constrains("active", "source_id", *TERMS, "data_ids", "sample_ids")
    def _check_samples(self):
        for mapping in self.filtered("active"):
            mapping._check_passes()

    def _check_passes(self):
        """Refuse to use a mapping with a failing sample.

        :raise ValidationError: names the samples
        """
        self.ensure_one()
        failing = self.sample_ids.filtered(lambda sample: not sample.is_ok)
        if failing:
            raise ValidationError(
                self.env._(
                    "“%(name)s” cannot be in use while samples fail: %(samples)s."
                    " Correct its paths or what is expected, or take it out of use"
                    " first.",
                    name=self.name,
                    samples="; ".join(
                        f"{sample.name}: {(sample.problem or '').rstrip('.')}"
                        for sample in failing
                    ),
                )
            )

    def _get_problem(self, error):
        """Say what is wrong with a field, in the user's language.

        :param MappingError error: what was found
        """
        return self.env._(
            "%(field)s: %(problem)s",
            field=self._fields[error.name]._description_string(self.env),
            problem=error.text,
        )

    # ------------------------------------------------------------------
    # CRUD: workers remember the mappings of a source
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        self.env.registry.clear_cache()
        result = super().write(vals)
        if {"source_id", "company_id"} & vals.keys():
            # Access was checked for where it was.
            self.check_access("write")
        return result

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()

    def copy_data(self, default=None):
        vals_list = super().copy_data(default)
        if "name" not in (default or {}):
            for mapping, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%(name)s (copy)", name=mapping.name)
        return vals_list

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_test_samples(self):
        """Try all samples.

        :return: notification with the result
        :raise UsageMappingError: there is none, or one does not give what is expected
        """
        self.ensure_one()
        if not self.sample_ids:
            raise UsageMappingError(
                self.env._("Add a sample: paste a payload as the source sends it.")
            )
        failing = self.sample_ids.filtered(lambda sample: not sample.is_ok)
        if failing:
            raise UsageMappingError(
                "\n".join(f"{sample.name}: {sample.problem}" for sample in failing)
            )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._(
                    "All %(count)s samples give what is expected.",
                    count=len(self.sample_ids),
                ),
            },
        }

    # ------------------------------------------------------------------
    # Terms
    # ------------------------------------------------------------------
    def _get_terms(self):
        """Return the mapping as data.

        :return: ``usage_mapping.MappingTerms``
        """
        self.ensure_one()
        return MappingTerms(
            mapping_id=self._origin.id or None,
            id_path=self.id_path or "",
            type_path=self.type_path or "",
            subject_path=self.subject_path or "",
            time_path=self.time_path or "",
            match=self.match or "",
            items=self.items or "",
            time_format=self.time_format or "rfc3339",
            time_pattern=self.time_pattern or "",
            tz=self.tz or "UTC",
            value_path=self.value_path or "",
            data=tuple((row.key or "", row.path or "") for row in self.data_ids),
        )

    def _compile(self):
        """Return the mapping ready to be used.

        :return: ``usage_mapping.Mapping``
        :raise MappingError: a path or the pattern can't be used
        """
        return compile_mapping(self._get_terms())
