"""Workspaces' own keys of providers, and their own endpoints."""

from types import ModuleType

import sqlalchemy as sa
from alembic import context, op

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None

MINE = "workspace_id = (SELECT current_workspace_id())"


def upgrade() -> None:
    op.create_table('provider_connections',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('provider', sa.String(length=50), nullable=False),
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('api_key', sa.LargeBinary(), nullable=True),
    sa.Column('key_hint', sa.String(length=4), nullable=True),
    sa.Column('base_url', sa.String(length=500), nullable=True),
    sa.Column('model', sa.String(length=200), nullable=True),
    sa.Column('context_tokens', sa.Integer(), nullable=True),
    sa.Column('max_output_tokens', sa.Integer(), nullable=True),
    sa.Column('enabled', sa.Boolean(), server_default=sa.text('true'), nullable=False),
    sa.Column('created_by', sa.Uuid(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("(provider = 'openai_compatible') = (base_url IS NOT NULL)", name='provider_connections_address_of_servers'),
    sa.CheckConstraint("base_url IS NULL OR (model IS NOT NULL AND context_tokens > 0 AND max_output_tokens > 0)", name='provider_connections_servers_say_what_they_have'),
    sa.CheckConstraint("base_url IS NOT NULL OR api_key IS NOT NULL", name='provider_connections_key_of_vendors'),
    sa.ForeignKeyConstraint(['created_by'], ['users.id'], ),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('provider_connections_named_once', 'provider_connections', ['workspace_id', 'name'], unique=True)
    revision_module("0001").isolate("provider_connections", MINE)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON provider_connections TO bizq_app")


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    op.drop_table('provider_connections')
