# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Price models, one file each: quantity and terms in, rated lines out, no rounding."""

from . import (
    block,
    dynamic,
    graduated,
    graduated_percentage,
    package,
    percentage,
    prorated_graduated,
    stairstep,
    standard,
    volume,
)

__all__ = [
    "block",
    "dynamic",
    "graduated",
    "graduated_percentage",
    "package",
    "percentage",
    "prorated_graduated",
    "stairstep",
    "standard",
    "volume",
]
