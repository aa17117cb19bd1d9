# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
{
    "name": "SaaS Demo Company",
    "summary": "A company to try the suite: people, customers, products",
    "version": "19.0.1.0.0",
    "development_status": "Beta",
    "category": "SaaS Operations",
    "website": ("https://github.com/saas-operations-suite/saas-operations-suite"),
    "author": "SaaS Operations Suite contributors",
    "license": "AGPL-3",
    "depends": ["saas_usage_billing", "saas_helpdesk_sla", "saas_dashboards"],
    "data": [
        "data/res_company_data.xml",
        "data/res_users_data.xml",
        "data/res_partner_data.xml",
        "data/project_project_data.xml",
        "data/product_template_data.xml",
        "data/helpdesk_ticket_team_data.xml",
        "data/crm_lead_data.xml",
    ],
    "pre_init_hook": "pre_init_hook",
    "uninstall_hook": "uninstall_hook",
}
