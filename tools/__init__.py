# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The commands behind the Makefile; standard library only."""
