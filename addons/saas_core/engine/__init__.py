# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Framework-free rules of the core: standard library and relative imports only."""
