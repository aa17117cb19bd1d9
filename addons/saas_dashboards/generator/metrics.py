# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The headline figures: which KPI, and how its values may be put together.

``stock``  the value at the end of the period counts; values of different dates are
           never added (MRR, open tickets).
``flow``   what happened in a period; months may be added (invoiced amounts).
``ratio``  neither dates nor companies may be added; several companies show the
           plain average (SLA met).
"""

from dataclasses import dataclass

VALUE = "saas.kpi.value"
EXCEPTION = "saas.exception"
EVENT = "saas.event"
MODULE = "saas_dashboards"


@dataclass(frozen=True)
class Headline:
    """A scorecard of the executive dashboard.

    :param str code: code of the KPI definition
    :param str title: text on the scorecard
    :param str kind: ``stock``, ``flow`` or ``ratio``
    :param bool is_money: value is an amount in the currency of its company
    :param bool up_is_good: colour of a rise
    """

    code: str
    title: str
    kind: str
    is_money: bool = False
    up_is_good: bool = True

    @property
    def number_format(self) -> str:
        """Return the format of the figure."""
        if self.kind == "ratio":
            return "0.0%"
        return "#,##0.00" if self.is_money else "#,##0"

    @property
    def menu(self) -> str:
        """Return the menu that opens the values behind the figure."""
        return f"{MODULE}.saas_kpi_value_menu_{self.code}"

    def domain(self, *more) -> list:
        """Return the domain of the total rows of this KPI.

        Only the newest definition of each period, and no split beside its total, or
        the same thing would be counted twice.
        """
        return [
            ["kpi_id.code", "=", self.code],
            ["saas_is_current", "=", True],
            ["saas_is_total", "=", True],
            *more,
        ]


HEADLINES = (
    Headline("mrr", "MRR", "stock", is_money=True),
    Headline("active_subscriptions", "Active subscriptions", "stock"),
    Headline("invoiced_recurring", "Invoiced recurring", "flow", is_money=True),
    Headline("invoiced_usage", "Invoiced usage", "flow", is_money=True),
    Headline("open_exceptions", "Open exceptions", "stock", up_is_good=False),
    Headline("sla_met_rate", "SLA met", "ratio"),
    Headline("open_tickets", "Open tickets", "stock", up_is_good=False),
    Headline("onboarding_open", "Onboardings open", "stock", up_is_good=False),
    Headline("renewal_available", "Available to renew", "flow", is_money=True),
    Headline("renewal_gross_rate", "Gross renewal rate", "ratio"),
    Headline("renewal_forecast_accuracy", "Renewal forecast accuracy", "ratio"),
    Headline("onboarding_on_time_rate", "Onboardings on time", "ratio"),
)


def headline(code: str) -> Headline:
    """Return the headline of a KPI code.

    :raise KeyError: the code is not a headline
    """
    return {item.code: item for item in HEADLINES}[code]
