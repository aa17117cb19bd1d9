# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The main job of the suite, told step by step against a running server.

Everything here is a client: standard library only, no Odoo import, every step
through HTTP the way a browser, a product system or a mail gateway does it.
"""
