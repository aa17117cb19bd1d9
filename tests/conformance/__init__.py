# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Run case files against the engines: ``python -m tests.conformance FILE...``.

A file is YAML with a list ``cases``. Each case has an ``id`` and a ``kind``; billing
cases have ``input`` and ``rows`` (a row may override the input), SLA cases are one row
themselves and name one of the file's ``calendars``; metric cases have a ``metric``,
``inputs`` and what is ``expected``. Kinds and metrics translate a row into one call of
an engine; they compute nothing themselves.
"""
