# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Where a daily job goes on after the scheduler's time was over."""

from datetime import date


class CronPoint:
    """How far the job got on a day, kept with the scheduler's progress.

    What fails or is locked stays on the job's list. Without a point each run would
    begin with it again, and what comes behind would not be reached.

    :param env: environment of the job; outside the scheduler nothing is kept
    :param date day: the day of the job; another day begins anew
    :param bool is_kept: whether the job commits its steps
    """

    def __init__(self, env, day: date, is_kept: bool):
        self.is_kept = is_kept
        self._day = str(day)
        self._stage, self._last = 0, None
        # sudo: nobody has rights on the scheduler's progress
        Progress = env["ir.cron.progress"].sudo()
        progress_id = env.context.get("ir_cron_progress_id") if is_kept else False
        self._progress = Progress.browse(progress_id or [])
        if not self._progress:
            return
        before = Progress.search(
            [
                ("cron_id", "=", self._progress.cron_id.id),
                ("id", "<", self._progress.id),
            ],
            order="id desc",
            limit=1,
        )
        point = before.saas_point or {}
        if point.get("day") == self._day:
            self._stage, self._last = point["stage"], point["last"]
            self._keep()

    def enter(self, stage: int) -> bool:
        """Begin a stage.

        :param int stage: number of the stage
        :return: False when it was finished before
        """
        if stage > self._stage:
            self._stage, self._last = stage, None
        return stage == self._stage

    def is_done(self, key: list) -> bool:
        """Return whether a record of the stage had its turn already.

        :param list key: what the stage is sorted by
        """
        return self._last is not None and key <= self._last

    def reach(self, key: list):
        """Keep that a record had its turn; committed with the progress.

        :param list key: what the stage is sorted by
        """
        self._last = key
        self._keep()

    def finish(self):
        """Let the next run begin anew: everything had its turn."""
        if self._progress:
            self._progress.saas_point = False

    def _keep(self):
        if self._progress:
            self._progress.saas_point = {
                "day": self._day,
                "stage": self._stage,
                "last": self._last,
            }
