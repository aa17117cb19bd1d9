# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.exceptions import AccessError
from odoo.tests import HttpCase, freeze_time, new_test_user, tagged

from .common import ROLE, SubscriptionCase


class TimelineMixin:
    """Projects at hand, without waiting for their workflow."""

    @classmethod
    def create_confirmed(cls):
        # Of an order that is not confirmed the onboarding stands still.
        order = cls.create_order([(cls.platform, 1)])
        order.action_confirm()
        return order

    @classmethod
    def create_project(cls, name="Acme", **vals):
        return cls.env["project.project"].create(
            {
                "name": name,
                "partner_id": cls.partner.id,
                "company_id": cls.company.id,
                "allow_milestones": True,
                "saas_order_id": cls.create_confirmed().id,
                "saas_kickoff_on": date(2026, 3, 2),
                "saas_go_live_planned": date(2026, 4, 1),
                "saas_go_live_predicted": date(2026, 4, 9),
                "saas_health": "late",
                **vals,
            }
        )

    @classmethod
    def create_marks(cls, project, *days, **vals):
        return cls.env["project.milestone"].create(
            [
                {
                    "name": f"Mark {day}",
                    "project_id": project.id,
                    "deadline": day,
                    **vals,
                }
                for day in days
            ]
        )

    @classmethod
    def forecast(cls, project, health="late"):
        """Give the forecast; every change of a milestone makes it anew."""
        project.write(
            {"saas_health": health, "saas_go_live_predicted": date(2026, 4, 9)}
        )


@tagged("post_install", "-at_install")
@freeze_time("2026-03-16")
class TestOnboardingTimeline(TimelineMixin, SubscriptionCase):
    """What the timeline shows, to whom, and with how many questions."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.delivery = cls.new_user("sub_delivery", "project.group_project_user")
        phases = cls.env["saas.onboarding.phase"].create(
            [
                {"name": "Second phase", "sequence": 902},
                {"name": "First phase", "sequence": 901},
            ]
        )
        cls.project = cls.create_project(user_id=cls.delivery.id)
        cls.create_marks(
            cls.project,
            date(2026, 3, 10),
            date(2026, 3, 30),
            saas_phase_id=phases[0].id,
        )
        cls.project.milestone_ids.deadline = date(2026, 3, 30)
        cls.project.milestone_ids[0].deadline = date(2026, 3, 10)
        cls.other = cls.create_project("Beta", saas_health="on_track")
        cls.create_marks(cls.other, date(2026, 3, 20), saas_phase_id=phases[1].id)
        cls.forecast(cls.project)
        cls.forecast(cls.other, "on_track")

    def _timeline(self, user=None, **filters):
        Project = self.env["project.project"].with_user(user or self.delivery)
        return Project.saas_get_timeline(filters)

    def _rows(self, *args, **filters):
        phases = self._timeline(*args, **filters)["phases"]
        return [row for phase in phases for row in phase["projects"]]

    def test_rows_by_phase_with_bars_and_marks(self):
        data = self._timeline()
        self.assertEqual(
            [phase["name"] for phase in data["phases"]], ["First phase", "Second phase"]
        )
        row = data["phases"][1]["projects"][0]
        self.assertEqual(row["id"], self.project.id)
        self.assertEqual(row["kickoff"], "2026-03-02")
        self.assertEqual(row["agreed"], str(self.project.saas_go_live_planned))
        self.assertEqual(row["predicted"], "2026-04-09")
        self.assertEqual(row["manager"], self.delivery.name)
        states = {mark["date"]: mark["state"] for mark in row["milestones"]}
        self.assertEqual(states["2026-03-10"], "overdue")
        self.assertEqual(data["today"], "2026-03-16")
        self.assertLess(data["start"], "2026-03-02")
        self.assertGreater(data["end"], "2026-04-09")

    def test_reached_milestones_stand_where_they_were_reached(self):
        mark = self.project.milestone_ids[0]
        mark.is_reached = True
        row = next(row for row in self._rows() if row["id"] == self.project.id)
        found = next(one for one in row["milestones"] if one["id"] == mark.id)
        self.assertEqual((found["state"], found["date"]), ("reached", "2026-03-16"))

    def test_filters(self):
        names = lambda **filters: [r["name"] for r in self._rows(**filters)]  # noqa: E731
        self.assertEqual(names(), ["Beta", "Acme"])
        self.assertEqual(names(mine=True), ["Acme"])
        self.assertEqual(names(health="on_track"), ["Beta"])
        self.assertEqual(names(health="nonsense"), ["Beta", "Acme"])
        self.assertEqual(names(company_id=self.company.id), ["Beta", "Acme"])
        self.other.saas_live_on = date(2026, 3, 13)
        self.assertEqual(names(), ["Acme"])
        live = self._rows(with_live=True)[0]
        self.assertEqual((live["name"], live["health"]), ("Beta", "live"))

    def test_nothing_to_show(self):
        data = self._timeline(mine=True, health="at_risk")
        self.assertEqual((data["phases"], data["count"]), ([], 0))
        self.assertTrue(data["start"] < data["today"] < data["end"])

    def test_few_queries_however_many_projects(self):
        Project = self.env["project.project"].with_user(self.delivery)
        copies = [
            {
                "name": f"Project {number}",
                "company_id": self.company.id,
                "allow_milestones": True,
                "saas_order_id": self.project.saas_order_id.id,
                "saas_kickoff_on": date(2026, 3, 2),
            }
            for number in range(20)
        ]

        def count():
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            Project.saas_get_timeline({})
            return self.env.cr.sql_log_count - before

        count()
        few = count()
        for project in self.env["project.project"].create(copies):
            self.create_marks(project, date(2026, 3, 20))
        self.assertLessEqual(count(), few + 2)

    # Access ----------------------------------------------------------
    def test_only_visible_projects_of_own_companies(self):
        self.other.privacy_visibility = "followers"
        self.assertEqual([row["name"] for row in self._rows()], ["Acme"])
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.new_user("sub_else", "project.group_project_user", company)
        here = self.env["project.project"].with_user(stranger)
        here = here.with_context(allowed_company_ids=company.ids)
        self.assertFalse(here.saas_get_timeline({})["count"])

    def test_portal_users_see_none(self):
        portal = new_test_user(self.env, "sub_portal", "base.group_portal")
        with self.assertRaises(AccessError):
            self._timeline(portal)


@tagged("post_install", "-at_install")
class TestOnboardingTimelinePage(TimelineMixin, SubscriptionCase, HttpCase):
    """The page shows the rows the server gives, and opens a project."""

    def test_timeline_in_the_browser(self):
        user = self.new_user("tour_timeline", f"project.group_project_user,{ROLE}user")
        project = self.create_project(user_id=user.id)
        self.create_marks(project, date(2026, 3, 10), date(2026, 3, 30))
        self.forecast(project)
        self.create_project("Beta", saas_health="on_track")
        self.start_tour(
            "/odoo/saas-onboarding-timeline",
            "saas_onboarding_timeline",
            login="tour_timeline",
        )
