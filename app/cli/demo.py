"""`bizq demo`: the workspace that `bizq up` shows to newcomers."""

import asyncio
import secrets
from typing import Annotated

import typer
from sqlalchemy import text

from app import ids, settings
from app.cli.console import out, print_json
from app.cli.resources import database
from app.db.vault import Vault
from app.errors import Conflict
from app.principal import Principal, Role
from app.services.account import api_keys
from app.services.account.sign_up import SignUp, add_api_key, sign_up
from app.settings import Settings

EMAIL = "demo@bizq.example"
# An operator's own: the largest that there is, so that trying things out does not meet the limits of a first plan.
PLAN = "SCALE"
# For whoever gives it a provider\'s key; the local model costs nothing.
CREDITS_MICROS = 100_000_000
_KEY = text("SELECT workspace_id FROM auth_api_key(:hash)")


def demo(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    key: Annotated[str | None, typer.Option(envvar="BIZQ_DEMO_API_KEY", help="Use this API key.")] = None,
) -> None:
    """Create the demo workspace with its API key, or find it again by that key."""
    created = asyncio.run(_demo(settings.load(), key))
    if json:
        print_json(created)
    else:
        out.print(f"workspace {created['workspaceId']}\nAPI key   {created['apiKey']}")


async def _demo(loaded: Settings, secret: str | None) -> dict[str, str]:
    key = api_keys.from_secret(secret) if secret else api_keys.generate()
    vault = Vault(loaded.encryption_keys)
    async with database(loaded) as db:
        async with db.engine.connect() as connection:
            found = (await connection.execute(_KEY, {"hash": key.hash})).one_or_none()
        workspace_id = found.workspace_id if found else None
        if workspace_id is None:
            # Somebody lost the key of an earlier demo: it keeps its address, this one gets another.
            try:
                account = await sign_up(db.unit_of_work, vault, _sign_up(EMAIL))
            except Conflict:
                account = await sign_up(db.unit_of_work, vault, _sign_up(f"demo-{secrets.token_hex(4)}@bizq.example"))
            principal = Principal(workspace_id=account.workspace_id, role=Role.OWNER, user_id=account.user_id)
            async with db.unit_of_work(principal) as uow:
                await add_api_key(uow, creator_id=account.user_id, name="demo", key=key, role=Role.OWNER)
            workspace_id = account.workspace_id
    return {"workspaceId": ids.encode(ids.WORKSPACE, workspace_id), "apiKey": key.secret}


def _sign_up(email: str) -> SignUp:
    return SignUp(email, secrets.token_urlsafe(24), "Demo", "Demo workspace", PLAN, credits_micros=CREDITS_MICROS)
