"""Keys of workspaces' own connections change their seal with everything else, and go on working."""

from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.sealed import PROVIDER_KEY, SEALED
from app.db.vault import Vault
from app.providers.errors import ProviderError
from app.providers.own import Reach
from app.services.encryption.rotate import rotate
from app.services.provider.clients import OwnProviders
from tests.integration.encryption.conftest import NEW, OLD, Add, Sql

BEFORE, DURING, AFTER = Vault([OLD]), Vault([NEW, OLD]), Vault([NEW])
REACH = Reach(None, None, allow_private=False)
KEY = "sk-own-0123456789abcdef"


async def connect(sql: Sql, add: Add, *keys: str | None) -> tuple[UUID, list[UUID]]:
    """A workspace, and a connection of it for each key, sealed as before."""
    (owner,) = await add(BEFORE)
    workspace_id = ids.new_id()
    workspace = "INSERT INTO workspaces (id, name, slug, owner_id, plan) VALUES ($1, 'Test', 'test', $2, 'FREE')"
    await sql.execute(workspace, workspace_id, owner.id)
    made = [ids.new_id() for _ in keys]
    for connection_id, key in zip(made, keys, strict=True):
        sealed = BEFORE.seal(PROVIDER_KEY.place, connection_id, key) if key is not None else None
        await sql.execute(
            """INSERT INTO provider_connections
                (id, workspace_id, provider, name, api_key, base_url, model, context_tokens, max_output_tokens)
            VALUES ($1::uuid, $2, 'openai_compatible', $1::uuid::text, $3, 'https://models.example.com', 'm', 1, 1)""",
            connection_id,
            workspace_id,
            sealed,
        )
    return workspace_id, made


async def test_key_opens_with_the_new_key_alone_after_the_rotation(
    sql: Sql, add: Add, owner: AsyncEngine, service: AsyncEngine
) -> None:
    workspace_id, (with_key, without) = await connect(sql, add, KEY, None)
    versions = await sql.fetch("SELECT changed_at FROM provider_connections ORDER BY id")

    reports = await rotate(owner, DURING, SEALED, lambda *_: None)

    (report,) = (each for each in reports if each.place == PROVIDER_KEY.place)
    assert (report.total, report.resealed, report.done) == (1, 1, True)
    own = OwnProviders(service, AFTER, REACH)
    found = [await own.find(workspace_id, key) for key in (with_key, without)]
    assert [each and each.access.api_key for each in found] == [KEY, None]
    # Clients that are open stay so.
    assert await sql.fetch("SELECT changed_at FROM provider_connections ORDER BY id") == versions


async def test_key_that_is_copied_into_another_row_does_not_open_there(
    sql: Sql, add: Add, service: AsyncEngine
) -> None:
    workspace_id, (first, second) = await connect(sql, add, KEY, "another-key-0123456789")
    copied = "UPDATE provider_connections SET api_key = (SELECT api_key FROM provider_connections WHERE id = $1)"
    await sql.execute(f"{copied} WHERE id = $2", first, second)
    own = OwnProviders(service, BEFORE, REACH)

    found = await own.find(workspace_id, first)
    assert found is not None and found.access.api_key == KEY
    with pytest.raises(ProviderError, match="cannot be opened here"):
        await own.find(workspace_id, second)
