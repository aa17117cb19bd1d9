# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""How many requests the key of a user may send: a bucket of tokens.

The bucket fills by ``rate`` tokens a second up to ``BURST`` seconds' worth; a request
takes one. A request that finds none writes nothing.
"""

import math
from dataclasses import dataclass

from psycopg2.extensions import TRANSACTION_STATUS_IDLE

#: Seconds of the rate that may come at once.
BURST = 2

_NOW = "COALESCE(%(now)s, clock_timestamp() AT TIME ZONE 'UTC')"


def _filled(moment):
    """SQL of the tokens there are at a moment.

    Another server's clock may be a little behind: then nothing was added.
    """
    return f"""
    LEAST(
        %(burst)s,
        c.tokens + %(rate)s * GREATEST(
            0, EXTRACT(EPOCH FROM {moment} - c.filled_at)
        )::double precision
    )
    """


# The moment is that of the new row throughout: a second look at the clock, after
# waiting for another request, would count that time twice.
_TAKE = f"""
INSERT INTO saas_usage_call AS c (user_id, tokens, filled_at)
VALUES (%(user)s, %(burst)s - 1, {_NOW})
ON CONFLICT (user_id) DO UPDATE
   SET tokens = {_filled("EXCLUDED.filled_at")} - 1,
       filled_at = GREATEST(c.filled_at, EXCLUDED.filled_at)
 WHERE {_filled("EXCLUDED.filled_at")} >= 1
RETURNING c.tokens
"""
_MISSING = f"SELECT 1 - {_filled(_NOW)} FROM saas_usage_call c WHERE user_id = %(user)s"


@dataclass(frozen=True, slots=True)
class Call:
    """Whether a request may go on.

    :param int limit: requests that may come at once
    :param int remaining: how many of them are left
    :param int retry_after: whole seconds until the next one, 0: this one goes on
    """

    limit: int
    remaining: int
    retry_after: int = 0


def take_call(registry, user_id: int, rate: int, now=None) -> Call:
    """Take a token of a user, in a transaction of its own.

    Parallel requests of a key wait for each other here only, not until one of them
    has ended.

    :param registry: ``Registry`` of the database
    :param user_id: whose bucket
    :param rate: tokens a second, > 0
    :param now: naive UTC datetime; default the database's clock
    :return: what is left, and how long to wait when nothing is
    """
    limit = rate * BURST
    values = {"user": user_id, "rate": rate, "burst": limit, "now": now}
    with registry.cursor() as cr:
        if cr.connection.info.transaction_status == TRANSACTION_STATUS_IDLE:
            # Two requests at once are two updates after each other, not a failure.
            cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        cr.execute(_TAKE, values)
        taken = cr.fetchone()
        if taken:
            return Call(limit, math.floor(taken[0]))
        cr.execute(_MISSING, values)
        # In the meantime the bucket may have filled: even then wait a moment.
        return Call(limit, 0, max(1, math.ceil(cr.fetchone()[0] / rate)))
