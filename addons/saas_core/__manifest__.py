# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
{
    "name": "SaaS Core",
    "summary": "Accounts, roles, event ledger, exception queue, external ids and KPIs",
    "version": "19.0.1.0.0",
    "development_status": "Beta",
    "category": "SaaS Operations",
    "website": (
        "https://github.com/saas-operations-suite/saas-operations-suite"
    ),
    "author": "SaaS Operations Suite contributors",
    "license": "AGPL-3",
    "application": True,
    "depends": ["mail", "base_automation"],
    "data": [
        "security/saas_core_groups.xml",
        "security/ir.model.access.csv",
        "security/saas_core_rules.xml",
        "data/saas_support_tier_data.xml",
        "data/saas_event_type_data.xml",
        "data/saas_kpi_data.xml",
        "data/ir_cron_data.xml",
        "views/saas_core_menus.xml",
        "views/saas_support_tier_views.xml",
        "views/saas_event_views.xml",
        "views/saas_exception_views.xml",
        "views/saas_external_id_views.xml",
        "views/saas_kpi_views.xml",
        "views/saas_kpi_value_views.xml",
        "views/res_partner_views.xml",
    ],
    "uninstall_hook": "uninstall_hook",
}
