"""The catalogue of models, with what each can do and costs."""

from types import ModuleType

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None

CHAT = ["chat", "json_schema"]
ALL = [*CHAT, "vision", "tools"]
# provider, name, context, longest output, capabilities, prices of input, output and cached input in micro-credits per
# million tokens, successor, aliases. As the vendors' pages of models and prices gave them on 2026-11-22
# (developers.openai.com/api/docs/models and /pricing; platform.claude.com/docs/en/models and /about-claude/pricing);
# longer prompts than ours cost more there. The row "*" stands for models that have none: at the price of the dearest,
# so that nothing runs below its cost. The aliases are the names of the stack document's table of models.
MODELS = [
    ("openai", "gpt-6-luna", 1_050_000, 128_000, ALL, 100_000, 500_000, 10_000, None, ["gpt-3.5-turbo"]),
    ("openai", "gpt-6.1-terra", 1_050_000, 128_000, ALL, 1_000_000, 5_000_000, 50_000, None, []),
    ("openai", "gpt-6.1-sol", 1_050_000, 128_000, ALL, 2_000_000, 10_000_000, 100_000, "gpt-6.2-sol", []),
    ("openai", "gpt-6.2-sol", 1_050_000, 128_000, ALL, 2_000_000, 10_000_000, 100_000, None, ["gpt-4", "gpt-4-turbo"]),
    ("openai", "gpt-6-astra", 1_050_000, 128_000, ALL, 10_000_000, 50_000_000, 1_000_000, "gpt-6.2-astra", []),
    ("openai", "gpt-6.2-astra", 1_050_000, 128_000, ALL, 8_000_000, 40_000_000, 400_000, None, []),
    ("openai", "*", 128_000, 16_384, ALL, 10_000_000, 50_000_000, 1_000_000, None, []),
    ("anthropic", "claude-haiku-4-5", 200_000, 64_000, ALL, 1_000_000, 5_000_000, 100_000, "claude-haiku-5-5", []),
    ("anthropic", "claude-haiku-5-5", 1_000_000, 128_000, ALL, 100_000, 500_000, 10_000, None, ["claude-instant"]),
    ("anthropic", "claude-sonnet-5-5", 1_000_000, 128_000, ALL, 2_000_000, 10_000_000, 100_000, None, []),
    ("anthropic", "claude-opus-5-5", 1_000_000, 128_000, ALL, 4_000_000, 20_000_000, 200_000, None, ["claude-3-opus"]),
    ("anthropic", "claude-fable-5", 1_000_000, 128_000, ALL, 10_000_000, 50_000_000, 1_000_000, "claude-fable-5-2", []),
    ("anthropic", "claude-fable-5-2", 1_000_000, 128_000, ALL, 8_000_000, 40_000_000, 200_000, None, []),
    ("anthropic", "*", 200_000, 64_000, ALL, 10_000_000, 50_000_000, 1_000_000, None, []),
    # The router's partners have prices of their own, so a model is named with its partner; without one it is at the
    # price of "*", the dearest of those lists. Prices and contexts of the router's list (router.huggingface.co/v1/models)
    # as github.com/pydantic/genai-prices keeps it, read on 2026-11-23; the longest outputs are our own bounds. In the
    # places of Code Llama and Mistral 7B, which those lists lack: a model for code, and one of the size and the price.
    ("huggingface", "meta-llama/Llama-3.3-70B-Instruct:together", 131_072, 8_192, CHAT, 880_000, 880_000, 880_000, None,
     ["llama-3-70b"]),
    ("huggingface", "meta-llama/Llama-3.1-8B-Instruct:novita", 16_384, 8_192, CHAT, 20_000, 50_000, 20_000, None,
     ["mistral-7b"]),
    ("huggingface", "Qwen/Qwen3-Coder-Next:novita", 262_144, 32_768, CHAT, 200_000, 1_500_000, 200_000, None,
     ["codellama-34b"]),
    ("huggingface", "openai/gpt-oss-120b:together", 131_072, 32_768, CHAT, 150_000, 600_000, 150_000, None, []),
    ("huggingface", "*", 32_768, 8_192, CHAT, 3_000_000, 7_000_000, 3_000_000, None, []),
    # Official models that are paid by the token and take the inputs that we send (schema: the models' pages at
    # replicate.com; prices: public price tables that quote them, no copy of replicate.com/pricing being at hand; read on
    # 2026-11-23). In the places of Code Llama and Mistral 7B: those of the nearest size. The row "*" has the dearest's
    # price; a model that is paid by the second tells no tokens, and is charged by an estimate of them.
    ("replicate", "meta/meta-llama-3-70b-instruct", 8_192, 4_096, CHAT, 650_000, 2_750_000, 650_000, None,
     ["llama-3-70b", "codellama-34b"]),
    ("replicate", "meta/meta-llama-3-8b-instruct", 8_192, 4_096, CHAT, 50_000, 250_000, 50_000, None, ["mistral-7b"]),
    ("replicate", "meta/meta-llama-3.1-405b-instruct", 128_000, 4_096, CHAT, 9_500_000, 9_500_000, 9_500_000, None, []),
    ("replicate", "*", 8_192, 4_096, CHAT, 9_500_000, 9_500_000, 9_500_000, None, []),
    # What the operator runs costs its users nothing, until a price is set.
    ("local", "*", 8_192, 4_096, CHAT, 0, 0, 0, None, ["llama-3-70b", "codellama-34b", "mistral-7b"]),
]
COLUMNS = (
    "provider", "name", "context_tokens", "max_output_tokens", "capabilities", "input_price", "output_price",
    "cached_input_price", "successor", "aliases",
)


def upgrade() -> None:
    table = op.create_table('ai_models',
    sa.Column('provider', sa.String(length=50), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('aliases', postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('context_tokens', sa.Integer(), nullable=False),
    sa.Column('max_output_tokens', sa.Integer(), nullable=False),
    sa.Column('capabilities', postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('input_price', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('output_price', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('cached_input_price', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('successor', sa.String(length=200), nullable=True),
    sa.Column('enabled', sa.Boolean(), server_default=sa.text('true'), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('input_price >= 0 AND output_price >= 0 AND cached_input_price >= 0', name='ai_models_prices_not_negative'),
    sa.CheckConstraint('context_tokens > 0 AND max_output_tokens > 0', name='ai_models_sizes_positive'),
    sa.PrimaryKeyConstraint('provider', 'name')
    )
    op.bulk_insert(table, [dict(zip(COLUMNS, model, strict=True)) for model in MODELS])
    # Of the installation, not of a workspace: everybody reads it, the operator alone changes it.
    revision_module("0001").isolate("ai_models", "false")
    op.execute("CREATE POLICY catalogue ON ai_models FOR SELECT USING (true)")
    op.execute("GRANT SELECT ON ai_models TO bizq_app")


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    op.drop_table('ai_models')
