# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Fields for tables with more rows than Odoo's own ids can number."""

from odoo import fields


class BigMany2one(fields.Many2one):
    """A link to a record whose id is a ``bigint``."""

    _column_type = ("int8", "bigint")


class BigInteger(fields.Integer):
    """A number beyond the range of Odoo's own integers."""

    _column_type = ("int8", "bigint")
