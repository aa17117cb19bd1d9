# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
{
    "name": "SaaS Dashboards",
    "summary": "Executive and operations dashboards, KPI board, worklists, KPI mail",
    "version": "19.0.1.0.0",
    "development_status": "Beta",
    "category": "SaaS Operations",
    "website": "https://github.com/saas-operations-suite/saas-operations-suite",
    "author": "SaaS Operations Suite contributors",
    "license": "AGPL-3",
    "application": True,
    "depends": ["saas_core", "spreadsheet_dashboard"],
    "data": [
        "data/spreadsheet_dashboard_data.xml",
        "data/mail_template_data.xml",
        "data/ir_cron_data.xml",
        "views/saas_kpi_value_views.xml",
        "views/saas_kpi_views.xml",
        "views/saas_exception_views.xml",
        "views/saas_event_views.xml",
        "views/res_users_views.xml",
        "views/saas_dashboards_menus.xml",
    ],
}
