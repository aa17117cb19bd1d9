# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models

from ..exceptions import TransitionError


class SaasStateMixin(models.AbstractModel):
    """A document whose ``state`` is moved by its own steps only.

    Its ``_set_state`` is the one writer of the state; whether a step may be taken is
    asked here.
    """

    _name = "saas.state.mixin"
    _description = "Document with a State Chart"

    def _set_state(self, allowed: set, target: str, vals: dict | None = None):
        """Move one document to another state.

        :param set allowed: states the step may start from
        :param str target: state to reach
        :param dict vals: what is written with it
        :raise TransitionError: not from here
        """
        self._check_state(allowed, target)
        # sudo: the step was checked, the state is nobody's to write
        self.sudo().write({"state": target, **(vals or {})})

    def _check_state(self, allowed: set, target: str | None = None):
        """Refuse a step that the state chart does not know.

        :param set allowed: states the step may start from
        :param str target: state it would reach, to be named
        :raise TransitionError: the present state is not in ``allowed``
        """
        self.ensure_one()
        if self.state in allowed:
            return
        labels = dict(self._fields["state"]._description_selection(self.env))
        values = {
            "name": self.display_name,
            "state": labels[self.state],
            "allowed": ", ".join(
                label for key, label in labels.items() if key in allowed
            ),
        }
        if target:
            text = self.env._(
                "%(name)s is %(state)s and can't become %(target)s. Possible from: "
                "%(allowed)s.",
                target=labels[target],
                **values,
            )
        else:
            text = self.env._(
                "%(name)s is %(state)s; this step needs one that is %(allowed)s.",
                **values,
            )
        raise TransitionError(text)
