# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Write and check the spreadsheet dashboards of this module.

Framework-free: standard library and relative imports only. The JSON files below
``data/files`` are never edited by hand; change this package and run, from the folder
of the addon, ``python -m generator``.
"""
