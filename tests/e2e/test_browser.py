# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A walk through the main job in a browser, looking at what people see.

With SAAS_SCREENSHOTS set to a directory the pictures are kept there.
"""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.e2e.browser import Window, launch
from tools.story import (
    billing,
    changes,
    documents,
    kpis,
    metering,
    onboarding,
    renewals,
    sales,
    simulation,
    usage,
)
from tools.story.world import Customer

GUEST = "Meridian Bank"
#: Where the spreadsheet of the open dashboard is, and whether it is complete.
MODEL = "odoo.__WOWL_DEBUG__.root.env.services.spreadsheet_dashboard_loader"
READY = f"() => {MODEL}.getActiveDashboard()?.status === 'Loaded'"
SCORECARDS = (
    """async () => {
    const board = %s.getActiveDashboard(), get = board.model.getters;
    for (let turn = 0; turn < 80; turn++) {
        board.model.dispatch("EVALUATE_CELLS");
        const cells = get.getSheetIds().flatMap(
            (sheet) => Object.values(get.getEvaluatedCells(sheet)));
        const charts = get.getOdooChartIds().map((id) => get.getChartDataSource(id));
        charts.filter((c) => !c.isReady()).forEach((c) => c.load().catch(() => {}));
        if (!cells.some((c) => /loading/i.test(String(c.value) + (c.message || "")))
            && charts.every((c) => c.isReady())) break;
        await new Promise((done) => setTimeout(done, 250));
    }
    const shown = {}, bad = [];
    for (const sheet of get.getSheetIds()) {
        for (const [at, cell] of Object.entries(get.getEvaluatedCells(sheet)))
            if (cell.type === "error") bad.push(at + " " + cell.message);
        for (const id of get.getChartIds(sheet)) {
            const made = get.getChartDefinition(id);
            if (made.type === "scorecard")
                shown[made.title.text] = get.getChartRuntime(id).keyValue;
        }
    }
    return {shown, bad, sample: Boolean(board.isSample)};
}"""
    % MODEL
)


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    """Directory of the pictures."""
    kept = os.environ.get("SAAS_SCREENSHOTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("shots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        running = launch(playwright)
        yield running
        running.close()


@pytest.fixture
def window(browser, world, shots):
    """Open windows for people; at the end none may have had an error."""
    opened = []

    def sign_in(role=None):
        made = Window(browser, world.url, shots)
        opened.append(made)
        if role:
            made.sign_in(world.access.users[role], world.access.password)
        return made

    yield sign_in
    errors = [error for made in opened for error in made.errors]
    for made in opened:
        made.close()
    assert not errors, "\n".join(errors)


def money(amount) -> str:
    """Return how the web client writes an amount."""
    return f"{amount:,.2f}"


def test_quotation_is_signed_in_the_portal(window, world, story):
    guest = guest_customer(world)
    order_id = sales.quote(world, guest)
    visitor = window()
    page = visitor.page
    visitor.open(sales.portal_path(world, order_id), "#introduction")
    assert "500.00" in visitor.text("#portal_sale_content")
    visitor.shot("portal-quotation")
    page.get_by_role("button", name="Accept & Sign").first.click()
    dialog = page.locator("#modalaccept")
    expect(dialog).to_be_visible()
    dialog.locator("input[name=signer]").fill(guest.signatory)
    dialog.get_by_role("button", name="Draw").click()
    draw(page, dialog.locator("canvas"))
    visitor.shot("portal-signature")
    dialog.locator(".o_portal_sign_submit").click()
    page.wait_for_url("**message=sign_ok**")
    expect(page.get_by_text("Thank You!")).to_be_visible()
    visitor.shot("portal-signed")

    sales.wait_for_document(world, order_id)
    deal = sales.read_deal(world, order_id)
    person = window("csm")
    person.open(f"/odoo/project/{deal.project_id}/tasks", ".o_kanban_record")
    board = person.text(".o_action_manager")
    for task in sales.tasks_of(world.as_("administrator"), deal):
        assert task["name"] in board
    name = world.as_("administrator").row("sale.order", order_id, ["name"])["name"]
    assert name in person.text(".o_breadcrumb") or GUEST in person.text(".o_breadcrumb")


def guest_customer(world) -> Customer:
    """Return a new account with one contact; its figures are not of the story."""
    admin = world.as_("administrator")
    account = admin.create("res.partner", {"name": GUEST, "is_company": True})
    person = {"name": "Nadia Roth", "parent_id": account, "email": "nadia@example.com"}
    contact = admin.create("res.partner", person)
    world.as_("sales").create(
        "crm.lead",
        {"name": f"{GUEST}: platform", "type": "opportunity", "partner_id": account},
    )
    return Customer(99, "", GUEST, account, contact, "Nadia Roth")


def draw(page, canvas) -> None:
    """Draw a few strokes with the mouse."""
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    left, top = box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.6
    page.mouse.move(left, top)
    page.mouse.down()
    for step in range(1, 40):
        swing = box["height"] * (0.3 if step % 4 < 2 else -0.2)
        page.mouse.move(
            left + step * box["width"] * 0.015, top - swing * (step % 3) / 2
        )
    page.mouse.up()


def test_subscription_of_the_main_customer(window, world, story):
    manager = window("subscription_manager")
    deal = story.deals[0]
    manager.open(f"/odoo/saas-subscriptions/{deal.subscription_id}", ".o_form_view")
    form = manager.text(".o_form_view")
    assert world.main.name in form
    assert "Business platform" in form
    manager.shot("subscription")


def test_scheduled_changes_and_the_preview_of_another(window, world, story):
    manager = window("subscription_manager")
    deal = story.deals[changes.SEATS]
    manager.open(f"/odoo/saas-subscriptions/{deal.subscription_id}", ".o_form_view")
    page = manager.page
    page.get_by_role("tab", name="Timeline").click()
    manager.shot("subscription-timeline")
    admin = world.as_("administrator")
    [draft] = admin.call(
        "saas.subscription",
        "amend",
        [story.deals[0].subscription_id],
        "quantity",
        lines=[
            {
                "line_id": changes.plan_line(admin, story.deals[0].subscription_id),
                "quantity": 4,
            }
        ],
        confirm=False,
    )
    manager.open(f"/odoo/saas-amendments/{draft}", ".o_form_view")
    expect(page.locator(".o_saas_preview").first).to_be_visible()
    assert money(4 * billing.PLAN_PRICE) in manager.text(".o_form_view")
    manager.shot("amendment-preview")
    admin.call("saas.amendment", "unlink", [draft])
    manager.open("/odoo/saas-amendments", ".o_list_table")
    listed = manager.text(".o_list_view")
    for word in ("Pause", "Cancellation", "Scheduled"):
        assert word in listed
    manager.shot("amendments")


def test_onboarding_project(window, world, story):
    person = window("csm")
    deal = story.deals[0]
    person.open(f"/odoo/project/{deal.project_id}/tasks", ".o_kanban_record")
    board = person.text(".o_action_manager")
    for task in sales.tasks_of(world.as_("administrator"), deal):
        assert (task["name"] in board) == (task["state"] != "1_done")
    person.shot("onboarding-project")


def test_onboarding_board_and_timeline(window, world, story):
    running = [
        deal.project_id
        for index, deal in story.deals.items()
        if index not in onboarding.LIVE
    ]
    projects = world.as_("csm").rows(
        "project.project", [("id", "in", running)], ["name"]
    )
    person = window("csm")
    for url, area, picture in (
        ("/odoo/saas-onboarding", ".o_kanban_renderer", "onboarding-board"),
        ("/odoo/saas-onboarding-timeline", ".o_saas_timeline", "onboarding-timeline"),
    ):
        person.open(url, area)
        shown = person.text(area)
        for project in projects:
            assert project["name"] in shown, url
        person.shot(picture)


def test_customer_sees_documents_in_the_portal(window, world, story):
    customer = window("customer")
    project = story.deals[0].project_id
    customer.open(f"/my/onboarding/{project}", ".o_saas_upload")
    shown = customer.text("#wrap")
    for word in (documents.MILESTONE, documents.REFUSED, documents.REASON):
        assert word in shown
    customer.shot("portal-onboarding", whole=True)


def test_documents_to_review(window, world, story):
    person = window("csm")
    person.open("/odoo/saas-onboarding-documents", ".o_view_controller")
    shown = person.text(".o_view_controller")
    assert documents.RECEIVED in shown


def test_board_of_renewals(window, world, story):
    seller = window("sales")
    seller.open("/odoo/saas-renewals", ".o_kanban_renderer")
    board = seller.text(".o_kanban_renderer")
    rows = world.as_("sales").rows(
        "saas.renewal",
        [("outcome", "=", "open")],
        ["partner_id", "amount_available"],
    )
    assert rows
    for row in rows:
        assert row["partner_id"][1] in board
        assert money(billing.money(row["amount_available"])) in board
    seller.shot("renewal-board")
    seller.page.locator(".o_searchview_dropdown_toggler").click()
    menu = seller.page.locator(".o_group_by_menu")
    menu.get_by_text("Category", exact=True).first.click()
    seller.page.keyboard.press("Escape")
    expect(seller.page.locator(".o_kanban_group")).to_have_count(4)
    seller.shot("renewal-categories")
    contract = renewals.find_contract(world)
    renewal = renewals.find_renewal(world.as_("sales"), contract)
    seller.open(f"/odoo/saas-renewals/{renewal['id']}", ".o_form_view")
    assert money(renewals.MONTHLY * 12) in seller.text(".o_form_view")
    seller.shot("renewal")


def test_usage_and_quarantine(window, world, story):
    admin = window("administrator")
    admin.open("/odoo/usage-events", ".o_list_view, .o_graph_view")
    admin.shot("usage-events")
    admin.open("/odoo/usage-quarantine", ".o_list_table")
    admin.unfold()
    listed = admin.text(".o_list_view")
    for row in usage.quarantine(world):
        assert row["subject"] in listed
    admin.shot("usage-quarantine")


def test_current_usage(window, world, story):
    operator = window("billing_operator")
    path = f"/odoo/saas-subscriptions/{story.metered.subscription_id}"
    operator.open(path, ".o_form_view")
    operator.page.click(".o_notebook_headers a[name=usage]")
    used = operator.page.locator(".o_saas_usage").first
    expect(used).to_contain_text("Workflow minutes")
    expect(used).to_contain_text("Forecast")
    used.evaluate("part => part.scrollIntoView({block: 'center'})")
    operator.shot("usage-current")


def test_usage_behind_an_invoice_line(window, world, story):
    operator, metered = window("billing_operator"), story.metered
    run = metering.find_run(world, metered, world.month, "regular")
    invoice = billing.invoice_of(world, run["id"], metered.partner_id)
    operator.open(f"/odoo/customer-invoices/{invoice['id']}", ".o_form_view")
    operator.page.click(".o_data_row button[name=action_drill_saas_usage] >> nth=0")
    operator.page.click(".o_notebook_headers a[name=groups]")
    groups = operator.page.locator(".o_field_widget[name=group_ids]")
    expect(groups).to_contain_text("Region eu")
    operator.page.click(".o_notebook_headers a[name=tiers]")
    operator.shot("usage-drill-down")


def test_mapping_of_the_feed(window, world, story):
    operator = window("billing_operator")
    operator.open("/odoo/usage-mappings", ".o_list_view .o_data_row")
    operator.page.click(".o_data_row td[name=name]")
    expect(operator.page.locator(".o_field_widget[name=sample_ids]")).to_contain_text(
        "workflow.run"
    )
    operator.shot("usage-mapping")


def test_unusual_usage_waits(window, world, story):
    operator, metered = window("billing_operator"), story.metered
    run = metering.find_run(world, metered, world.month_end, "regular")
    operator.open(f"/odoo/saas-billing-runs/{run['id']}", ".o_form_view")
    operator.page.click("button[name=action_view_lines]")
    expect(operator.page.locator(".o_list_view")).to_contain_text("usual are")


def test_simulation_compares_by_account(window, world, story):
    operator = window("billing_operator")
    found = operator_search(world, "saas.usage.simulation", "name", simulation.NAME)
    operator.open(f"/odoo/usage-simulations/{found}", ".o_form_view")
    operator.page.click("button[name=action_view_lines]")
    operator.page.click(".o_switch_view.o_list")
    rows = operator.page.locator(".o_data_row")
    expect(rows).to_have_count(metering.MONTHS)
    operator.page.mouse.move(0, 0)
    operator.shot("usage-simulation")


def test_wallet_of_the_account(window, world, story):
    operator = window("billing_operator")
    partner = story.metered.partner_id
    found = operator_search(world, "saas.wallet", "partner_id", partner)
    operator.open(f"/odoo/wallets/{found}", ".o_form_view")
    balance = operator.page.locator(".o_field_widget[name=live_balance]")
    expect(balance).to_contain_text("$ 110.00")
    operator.shot("usage-wallet")


def test_alerts_of_customer_success(window, world, story):
    csm = window("csm")
    csm.open("/odoo/usage-alerts", ".o_list_view .o_data_row")
    assert metering.THRESHOLD in csm.text(".o_list_view")
    csm.page.click(".o_data_row td[name=subscription_id]")
    expect(csm.page.locator(".o_form_view")).to_contain_text("4,500")
    csm.shot("usage-alert")


def operator_search(world, model, field, value) -> int:
    """Return the one record the billing operator finds."""
    [found] = world.as_("billing_operator").search(model, [(field, "=", value)])
    return found


def test_billing_run(window, world, story):
    operator = window("billing_operator")
    operator.open(f"/odoo/saas-billing-runs/{story.run_id}", ".o_form_view")
    form = operator.text(".o_form_view")
    assert money(billing.expected_total(world)) in form
    assert re.search(rf"\b{len(world.customers)}\b", form)
    operator.shot("billing-run")


def test_invoice_shows_the_tiers(window, world, story):
    operator = window("billing_operator")
    invoice = billing.invoice_of(world, story.run_id, world.main.partner_id)
    operator.open(f"/odoo/customer-invoices/{invoice['id']}", ".o_form_view")
    expect(operator.page.locator(".o_form_view")).to_contain_text(invoice["name"])
    form = operator.text(".o_form_view")
    assert money(billing.money(invoice["amount_untaxed"])) in form
    calls, _size = usage.counted(world, 0)
    assert f"{calls:,}" in form
    operator.shot("invoice")


def test_ticket_shows_tier_policy_and_breach(window, world, story):
    lead = window("support_lead")
    lead.open(f"/odoo/saas-tickets/{story.tickets[0]}", ".o_form_view")
    form = lead.text(".o_form_view")
    for word in ("Enterprise", world.main.name):
        assert word in form
    assert re.search("breached", form, re.IGNORECASE)
    lead.shot("ticket")


def test_executive_dashboard_equals_python(window, world, story):
    reader = window("administrator")
    board = world.as_("administrator").ref(kpis.DASHBOARD)
    reader.open(f"/odoo/dashboards?dashboard_id={board}&debug=1", ".o-spreadsheet")
    reader.page.wait_for_function(READY)
    found = reader.page.evaluate(SCORECARDS)
    assert not found["bad"] and not found["sample"], found
    stored = kpis.stored(world)
    for title, (code, write) in kpis.SHOWN.items():
        assert found["shown"][title] == write(stored[code]), title
    # The picture without the marks of the developer mode.
    reader.open(f"/odoo/dashboards?dashboard_id={board}&debug=0", ".o-spreadsheet")
    reader.page.wait_for_timeout(3000)
    reader.shot("executive-dashboard")


def test_rules_are_open_to_the_administrator(window, world, story):
    admin = window("administrator")
    rules = world.as_("administrator").search(
        "base.automation", [("model_id.model", "=", "sale.order")], limit=1
    )
    admin.open(
        f"/odoo/action-base_automation.base_automation_act/{rules[0]}", ".o_form_view"
    )
    assert "SaaS" in admin.page.locator(".o_form_view input").first.input_value()
    admin.shot("automation-rule")


def test_exception_queue_and_event_ledger(window, world, story):
    admin = window("administrator")
    admin.open("/odoo/saas-exceptions", ".o_view_controller")
    admin.shot("exceptions")
    admin.open("/odoo/saas-events", ".o_list_table")
    assert "subscription." in admin.text(".o_list_view") or (
        "ticket." in admin.text(".o_list_view")
    )
    admin.shot("event-ledger")
