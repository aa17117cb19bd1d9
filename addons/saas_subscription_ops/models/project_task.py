# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ProjectTask(models.Model):
    _inherit = "project.task"

    saas_day_offset = fields.Integer(
        string="Due After (Working Days)",
        help="In an onboarding template: the task is due this many working days of "
        "the company calendar after the subscription starts. 0: no deadline.",
    )
