# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Context values that switch a check or a reaction off.

Anybody can send a context over RPC, but only plain values: nobody can send one of
these objects. Compare with ``is``.
"""

#: ``saas_project_copy``: a project is copied, its milestones are not all there yet.
COPYING = object()
#: ``saas_planning``: the plan itself is written, what it means for forecast and
#: deadlines is worked out by the caller.
PLANNING = object()
