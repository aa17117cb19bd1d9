# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
{
    "name": "SaaS Usage Billing",
    "summary": "Meter usage over HTTP, rate it by tiers and bill it with subscriptions",
    "version": "19.0.1.0.0",
    "category": "SaaS Operations",
    "license": "AGPL-3",
    "author": "SaaS Operations Suite contributors",
    "website": (
        "https://github.com/saas-operations-suite/saas-operations-suite"
    ),
    "depends": ["saas_subscription_ops"],
    "data": [
        "security/ir.model.access.csv",
        "security/saas_usage_billing_rules.xml",
        "data/decimal_precision_data.xml",
        "data/saas_kpi_data.xml",
        "views/saas_usage_event_views.xml",
        "views/saas_usage_batch_views.xml",
        "views/saas_usage_quarantine_views.xml",
        "views/saas_usage_control_views.xml",
        "views/saas_usage_source_views.xml",
        "views/saas_usage_price_views.xml",
        "views/saas_meter_views.xml",
        "views/product_template_views.xml",
        "views/saas_subscription_views.xml",
        "views/saas_charge_views.xml",
        "views/saas_usage_billing_menus.xml",
    ],
    "uninstall_hook": "uninstall_hook",
    "development_status": "Beta",
}
