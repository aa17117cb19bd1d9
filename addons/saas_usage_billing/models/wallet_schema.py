# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What the database itself guarantees about the ledger of wallets."""

from odoo.tools import SQL

APPEND_ONLY = ("saas_wallet_transaction", "saas_wallet_entry")
FUNCTIONS = (
    "saas_wallet_refuse_change",
    "saas_wallet_grant_guard",
    "saas_wallet_apply_entry",
    "saas_wallet_check_sum",
)

_FUNCTIONS = """
CREATE OR REPLACE FUNCTION saas_wallet_refuse_change()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%% is append-only: book another movement', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE FUNCTION saas_wallet_grant_guard()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        -- What is left of a grant comes from its entries, and from nowhere else.
        NEW.remaining := 0;
        RETURN NEW;
    END IF;
    IF (OLD.wallet_id, OLD.kind, OLD.amount, OLD.priority, OLD.date_start)
           IS DISTINCT FROM
       (NEW.wallet_id, NEW.kind, NEW.amount, NEW.priority, NEW.date_start)
       OR OLD.date_expiry IS DISTINCT FROM NEW.date_expiry
       OR OLD.order_line_id IS DISTINCT FROM NEW.order_line_id
       OR (OLD.remaining IS DISTINCT FROM NEW.remaining AND pg_trigger_depth() < 2)
    THEN
        RAISE EXCEPTION 'saas_wallet_grant does not change: book another movement'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION saas_wallet_apply_entry()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM saas_wallet_grant owner
                     JOIN saas_wallet_transaction movement
                       ON movement.wallet_id = owner.wallet_id
                    WHERE owner.id = NEW.grant_id
                      AND movement.id = NEW.transaction_id) THEN
        RAISE EXCEPTION 'the grant belongs to another wallet'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.account = 'available' THEN
        UPDATE saas_wallet_grant SET remaining = remaining + NEW.amount
         WHERE id = NEW.grant_id;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION saas_wallet_check_sum()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT SUM(amount) FROM saas_wallet_entry
         WHERE transaction_id = NEW.transaction_id) <> 0 THEN
        RAISE EXCEPTION 'wallet transaction %% does not sum to zero',
                        NEW.transaction_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
"""

_TRIGGERS = """
DROP TRIGGER IF EXISTS saas_wallet_grant_guard ON saas_wallet_grant;
CREATE TRIGGER saas_wallet_grant_guard BEFORE INSERT OR UPDATE ON saas_wallet_grant
    FOR EACH ROW EXECUTE FUNCTION saas_wallet_grant_guard();
DROP TRIGGER IF EXISTS saas_wallet_grant_keep ON saas_wallet_grant;
CREATE TRIGGER saas_wallet_grant_keep BEFORE DELETE ON saas_wallet_grant
    FOR EACH ROW EXECUTE FUNCTION saas_wallet_refuse_change();
DROP TRIGGER IF EXISTS saas_wallet_grant_keep_all ON saas_wallet_grant;
CREATE TRIGGER saas_wallet_grant_keep_all BEFORE TRUNCATE ON saas_wallet_grant
    FOR EACH STATEMENT EXECUTE FUNCTION saas_wallet_refuse_change();
DROP TRIGGER IF EXISTS saas_wallet_apply_entry ON saas_wallet_entry;
CREATE TRIGGER saas_wallet_apply_entry AFTER INSERT ON saas_wallet_entry
    FOR EACH ROW EXECUTE FUNCTION saas_wallet_apply_entry();
DROP TRIGGER IF EXISTS saas_wallet_check_sum ON saas_wallet_entry;
CREATE CONSTRAINT TRIGGER saas_wallet_check_sum AFTER INSERT ON saas_wallet_entry
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION saas_wallet_check_sum();
"""


def create_guards(cr):
    """Create or renew the triggers; the tables are there.

    :param cr: database cursor
    """
    cr.execute(SQL(_FUNCTIONS))
    cr.execute(SQL(_TRIGGERS))
    for table in APPEND_ONLY:
        cr.execute(
            SQL(
                """
                DROP TRIGGER IF EXISTS saas_wallet_append_only ON %(table)s;
                CREATE TRIGGER saas_wallet_append_only
                    BEFORE UPDATE OR DELETE ON %(table)s
                    FOR EACH ROW EXECUTE FUNCTION saas_wallet_refuse_change();
                DROP TRIGGER IF EXISTS saas_wallet_append_all ON %(table)s;
                CREATE TRIGGER saas_wallet_append_all BEFORE TRUNCATE ON %(table)s
                    FOR EACH STATEMENT EXECUTE FUNCTION saas_wallet_refuse_change();
                """,
                table=SQL.identifier(table),
            )
        )


def drop_guards(cr):
    """Drop the triggers and their functions, so that the tables can go.

    :param cr: database cursor
    """
    for name in FUNCTIONS:
        cr.execute(SQL("DROP FUNCTION IF EXISTS %s CASCADE", SQL.identifier(name)))
