"""Documents that clients may ask for by their hash."""

from types import ModuleType

import sqlalchemy as sa
from alembic import context, op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

# The service cannot list them: it has to be told a hash.
TRUSTED_DOCUMENT = """
CREATE FUNCTION trusted_document(wanted bytea) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT d.document FROM trusted_documents d WHERE d.hash = wanted $$
"""
FUNCTIONS = {"trusted_document": "bytea"}


def upgrade() -> None:
    op.create_table('trusted_documents',
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('added_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('hash')
    )
    revision_module("0001").isolate("trusted_documents", "false")
    revision_module("0002").define(TRUSTED_DOCUMENT)
    revision_module("0002").allow(FUNCTIONS)


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    for name, arguments in FUNCTIONS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    op.drop_table('trusted_documents')
