# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Tests that need no Odoo: engines, conformance cases and architecture."""
