"""`bizq sso`: which workspace's people sign in at which identity provider, for whoever operates the installation."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from app import ids, settings
from app.cli import view
from app.cli.console import print_json
from app.cli.owner import as_owner
from app.db.vault import Vault
from app.errors import InvalidInput
from app.principal import Role
from app.services.sso import operate
from app.services.sso.operate import Listed, NewConnection
from app.services.sso.single_sign_on import CALLBACK
from app.settings import Settings

app = typer.Typer(help="Connect workspaces to identity providers (on the database).", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("add")
def add_connection(
    workspace: Annotated[str, typer.Argument(help="Id of the workspace.", metavar="WORKSPACE")],
    issuer: Annotated[str, typer.Option(help="The provider's issuer, exactly as its discovery document has it.")],
    client_id: Annotated[str, typer.Option(help="The client id that the provider gave us.")],
    domain: Annotated[list[str], typer.Option(help="A domain of e-mail addresses that is theirs; may be repeated.")],
    role: Annotated[
        str, typer.Option(help=f"Of members who come through it first: {', '.join(operate.ROLES)}.")
    ] = Role.MEMBER,
    json: AsJson = False,
) -> None:
    """Let people whose e-mail addresses are of these domains sign in to a workspace through its identity provider.

    The client secret is asked for, or read from standard input, and is kept encrypted. You vouch for the domains: make
    sure that they are the workspace's. Tell the provider the redirect URI that is printed.

        Example: bizq sso add ws_01h455vb4pex5vsknk084sn02q \\
            --issuer https://a.example --client-id bizq --domain a.example
    """
    loaded = settings.load()
    wanted = NewConnection(_workspace(workspace), issuer, client_id, _secret(), domain, _role(role))
    connection = ids.encode(ids.SSO_CONNECTION, asyncio.run(_add(loaded, wanted)))
    redirect_uri = f"{loaded.bizq_api_url}{CALLBACK}" if loaded.bizq_api_url is not None else None
    if json:
        print_json({"id": connection, "redirectUri": redirect_uri})
        return
    typer.echo(f"Connected: {connection}")
    typer.echo(f"Redirect URI: {redirect_uri or f'<BIZQ_API_URL>{CALLBACK}, once BIZQ_API_URL is set'}")


@app.command("list")
def list_connections(json: AsJson = False) -> None:
    """List the identity providers of every workspace, without their secrets.

    Example: bizq sso list
    """
    found = asyncio.run(_list())
    if json:
        print_json({"connections": [_as_json(connection) for connection in found]})
    else:
        view.print_table(_table(found))


@app.command("remove")
def remove_connection(
    connection: Annotated[str, typer.Argument(help="Id of the connection, as list shows it.", metavar="CONNECTION")],
) -> None:
    """End signing in through an identity provider. Members stay members, and sessions go on until they end.

    Example: bizq sso remove sso_01h455vb4pex5vsknk084sn02q
    """
    connection_id = ids.decode(ids.SSO_CONNECTION, connection)
    if connection_id is None or not asyncio.run(_remove(connection_id)):
        raise InvalidInput(f"There is no connection {connection}. `bizq sso list` shows them.")
    typer.echo(f"Removed: {connection}")


async def _add(loaded: Settings, wanted: NewConnection) -> UUID:
    async with as_owner(loaded) as engine:
        return await operate.add_connection(engine, Vault(loaded.encryption_keys), wanted)


async def _list() -> Sequence[Listed]:
    async with as_owner(settings.load()) as engine:
        return await operate.list_connections(engine)


async def _remove(connection_id: UUID) -> bool:
    async with as_owner(settings.load()) as engine:
        return await operate.remove_connection(engine, connection_id)


def _workspace(text: str) -> UUID:
    workspace_id = ids.decode(ids.WORKSPACE, text)
    if workspace_id is None:
        raise InvalidInput(f"There is no workspace {text}. `bizq workspace list` shows them.")
    return workspace_id


def _role(text: str) -> Role:
    if text.upper() not in operate.ROLES:
        raise InvalidInput(f"role is {text}; it can be {', '.join(operate.ROLES)}.")
    return Role(text.upper())


def _secret() -> str:
    """Not an argument: other users of the machine see those, and the shell writes them down."""
    if sys.stdin.isatty():
        entered: str = typer.prompt("Client secret", hide_input=True)
        return entered.strip()
    return sys.stdin.readline().strip()


def _table(found: Sequence[Listed]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("ID", "WORKSPACE", "NAME", "ISSUER", "CLIENT ID", "ROLE", "DOMAINS"):
        table.add_column(name, no_wrap=True)
    for each in found:
        table.add_row(
            ids.encode(ids.SSO_CONNECTION, each.id),
            ids.encode(ids.WORKSPACE, each.workspace_id),
            view.plain(each.workspace_name),
            view.plain(each.issuer),
            view.plain(each.client_id),
            each.role,
            " ".join(each.domains),
        )
    return table


def _as_json(each: Listed) -> dict[str, object]:
    return {
        "id": ids.encode(ids.SSO_CONNECTION, each.id),
        "workspace": ids.encode(ids.WORKSPACE, each.workspace_id),
        "issuer": each.issuer,
        "clientId": each.client_id,
        "role": each.role,
        "domains": list(each.domains),
    }
