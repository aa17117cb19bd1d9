# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Keys that are sent with every request are not hashed slowly every time."""

import hashlib

from odoo import models
from odoo.tools import SQL
from odoo.tools.lru import LRU

from odoo.addons.base.models.res_users import INDEX_SIZE

#: Digest of a good key, its database, table and scope to its user and what was stored.
_checked = LRU(1000)


class ResUsersApikeys(models.Model):
    _inherit = "res.users.apikeys"

    def _check_credentials(self, *, scope, key):
        """Check a key slowly once, then by what is stored of it.

        Odoo stores keys as it stores passwords, by a hash that takes milliseconds. But
        a key is random and long, so that a fast digest of it, which never leaves the
        process, gives nothing away. It answers as long as the stored key is there
        unchanged and may be used; everything else is for Odoo.
        """
        name = f"{self.env.cr.dbname}\n{self._table}\n{scope}\n{key}"
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
        known = _checked.get(digest)
        if known and known == self._get_saas_stored(scope, key, known[0]):
            return known[0]
        user_id = super()._check_credentials(scope=scope, key=key)
        if user_id:
            stored = self._get_saas_stored(scope, key, user_id)
            if len(stored[1]) == 1:
                _checked[digest] = stored
        return user_id

    def _get_saas_stored(self, scope, key, user_id):
        """Return the user and the hashes of its usable keys that begin like a key."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT k.key
                  FROM %(table)s k
                  JOIN res_users u ON u.id = k.user_id
                 WHERE u.id = %(user)s AND u.active AND k.index = %(index)s
                   AND (k.scope IS NULL OR k.scope = %(scope)s)
                   AND (k.expiration_date IS NULL
                        OR k.expiration_date >= now() AT TIME ZONE 'utc')
                """,
                table=SQL.identifier(self._table),
                user=user_id,
                index=key[:INDEX_SIZE],
                scope=scope,
            )
        )
        return user_id, tuple(stored for (stored,) in rows)
