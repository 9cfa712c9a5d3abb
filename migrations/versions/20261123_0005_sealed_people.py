"""E-mail addresses and names are sealed; an address is found by its blind index."""

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from alembic import context, op

from app import settings
from app.db.vault import Unreadable, Vault
from app.errors import InvalidState

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

BATCH = 1_000
EMAIL = "users.email"
NAME = "users.name"
# As in 0004, but for any of the indexes that an address has while keys are changed. Two users with one address cannot
# be (auth_hold_email); where a process that does not know all keys has made them, the first stays who signs in.
SIGN_IN_FUNCTION = """
CREATE FUNCTION auth_sign_in(logins bytea[], origins bytea[], addresses bytea[], accounts bytea[])
RETURNS TABLE (user_id uuid, password_hash varchar, locked_until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT u.id, u.password_hash, (
        SELECT max(f.locked_until) FROM sign_in_failures f
        WHERE f.locked_until > clock_timestamp() AND (
            f.key = ANY (origins || addresses)
            OR (f.key = ANY (accounts) AND NOT EXISTS (
                SELECT FROM sessions s WHERE s.user_id = u.id AND s.origin = ANY (origins)))
        )
    )
    FROM (SELECT 1) AS always LEFT JOIN users u ON u.email_index = ANY (logins)
    ORDER BY u.id LIMIT 1
$$
"""
# The locks are taken in one order everywhere. The look-up is a statement of its own, so that it sees what was committed
# by whoever was waited for.
HOLD_EMAIL_FUNCTION = """
CREATE FUNCTION auth_hold_email(indexes bytea[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
DECLARE
    held bigint;
BEGIN
    FOR held IN SELECT DISTINCT hashtextextended('users.email' || i::text, 0) FROM unnest(indexes) i ORDER BY 1 LOOP
        PERFORM pg_advisory_xact_lock(held);
    END LOOP;
    RETURN NOT EXISTS (SELECT FROM users u WHERE u.email_index = ANY (indexes));
END
$$
"""
# The first four bytes of what is sealed name its key.
KEYS_FUNCTION = """
CREATE FUNCTION sealing_keys() RETURNS SETOF bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    (SELECT substr(u.email, 1, 4) FROM users u ORDER BY u.id LIMIT 1)
    UNION (SELECT substr(u.email, 1, 4) FROM users u ORDER BY u.id DESC LIMIT 1)
$$
"""
FUNCTIONS = {
    "auth_sign_in": "bytea[], bytea[], bytea[], bytea[]",
    "auth_hold_email": "bytea[]",
    "sealing_keys": "",
}


def upgrade() -> None:
    op.execute(f"DROP FUNCTION auth_sign_in({revision_module('0004').FUNCTIONS['auth_sign_in']})")
    for column in ("email", "name"):
        op.alter_column('users', column, new_column_name=f'{column}_text')
    for column in ("email", "email_index", "name"):
        op.add_column('users', sa.Column(column, sa.LargeBinary(), nullable=True))
    convert(
        "SELECT id, email_text, name_text FROM users",
        "email = given.email, email_index = given.email_index, name = given.name",
        {"email": "bytea", "email_index": "bytea", "name": "bytea"},
        sealed,
    )
    # The change of type is none, but makes PostgreSQL write the table anew: a column that is dropped, and a row's older
    # version, would otherwise stay readable in its files.
    op.execute("""
        ALTER TABLE users DROP COLUMN email_text, DROP COLUMN name_text,
            ALTER COLUMN email TYPE bytea USING email || ''::bytea, ALTER COLUMN email SET NOT NULL,
            ALTER COLUMN email_index SET NOT NULL, ALTER COLUMN name SET NOT NULL,
            ADD CONSTRAINT users_email_index_key UNIQUE (email_index)
    """)
    # Both are plain hashes with an address in them, which can be found by trying. Nobody stays locked out.
    op.execute("DELETE FROM sign_in_failures")
    op.execute("UPDATE sessions SET origin = NULL WHERE origin IS NOT NULL")
    for function in (SIGN_IN_FUNCTION, HOLD_EMAIL_FUNCTION, KEYS_FUNCTION):
        op.execute(function)
    revision_module("0002").allow(FUNCTIONS)


def downgrade() -> None:
    for name, arguments in FUNCTIONS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    op.drop_column('users', 'email_index')
    for column in ("email", "name"):
        op.alter_column('users', column, new_column_name=f'{column}_sealed')
    op.add_column('users', sa.Column('email', sa.String(length=255), nullable=True))
    op.add_column('users', sa.Column('name', sa.String(length=200), nullable=True))
    convert(
        "SELECT id, email_sealed, name_sealed FROM users",
        "email = given.email, name = given.name",
        {"email": "varchar", "name": "varchar"},
        opened,
    )
    op.execute("""
        ALTER TABLE users DROP COLUMN email_sealed, DROP COLUMN name_sealed,
            ALTER COLUMN email SET NOT NULL, ALTER COLUMN name SET NOT NULL,
            ADD CONSTRAINT users_email_key UNIQUE (email)
    """)
    op.execute("DELETE FROM sign_in_failures")
    op.execute("UPDATE sessions SET origin = NULL WHERE origin IS NOT NULL")
    earlier = revision_module("0004")
    (sign_in,) = (one for one in earlier.LOCK_OUT_FUNCTIONS.split(";\n\n") if "FUNCTION auth_sign_in(" in one)
    op.execute(sign_in)
    revision_module("0002").allow({"auth_sign_in": earlier.FUNCTIONS["auth_sign_in"]})


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def convert(
    query: str, changes: str, columns: dict[str, str], values_of: Callable[[Vault, Any], Sequence[object]]
) -> None:
    """Every user, a batch at a time. `values_of` gives what `columns` (name: type) are for a row of `query`."""
    connection = op.get_bind()
    people = connection.execute(sa.text("SELECT count(*) FROM users")).scalar_one()
    if not people:
        return
    vault = vault_for(people)
    names = ("id", *columns)
    lists = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in {"id": "uuid", **columns}.items())
    change = sa.text(
        f"UPDATE users SET {changes} FROM unnest({lists}) AS given ({', '.join(names)}) WHERE users.id = given.id"
    )
    for rows in batches(connection, query):
        try:
            converted = [(row.id, *values_of(vault, row)) for row in rows]
        except Unreadable as error:
            raise InvalidState(f"{error} Nothing has changed.") from None
        connection.execute(change, dict(zip(names, map(list, zip(*converted)))))


def batches(connection: sa.Connection, query: str) -> Iterator[Sequence[Any]]:
    rows = connection.execute(sa.text(f"{query} ORDER BY id LIMIT {BATCH}")).all()
    while rows:
        yield rows
        next_rows = sa.text(f"{query} WHERE id > :after ORDER BY id LIMIT {BATCH}")
        rows = connection.execute(next_rows, {"after": rows[-1].id}).all()


def vault_for(people: int) -> Vault:
    loaded = settings.load()
    if loaded.bizq_encryption_key is None:
        raise InvalidState(
            f"E-mail addresses and names of {people} users are to be encrypted or decrypted: set BIZQ_ENCRYPTION_KEY, "
            "to what the api has, or for the first time to what `bizq keys new` prints."
        )
    return Vault(loaded.encryption_keys)


def sealed(vault: Vault, row: Any) -> Sequence[object]:
    return (
        vault.seal(EMAIL, row.id, row.email_text),
        vault.index(EMAIL, row.email_text),
        vault.seal(NAME, row.id, row.name_text),
    )


def opened(vault: Vault, row: Any) -> Sequence[object]:
    return vault.open(EMAIL, row.id, row.email_sealed), vault.open(NAME, row.id, row.name_sealed)
