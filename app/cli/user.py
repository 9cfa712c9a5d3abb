"""`bizq user`: help for people who cannot help themselves, from whoever operates the installation."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from app import ids, settings
from app.cli.console import out
from app.cli.owner import as_owner
from app.db.vault import Vault
from app.errors import InvalidInput
from app.services.account.lost_second_factor import take_second_factor_off

app = typer.Typer(help="Help users who are locked out (on the database).", no_args_is_help=True)


# With a callback, typer keeps `disable-mfa` a command of its own while it is the only one.
@app.callback()
def user() -> None:
    """Help users who are locked out (on the database)."""


@app.command("disable-mfa")
def disable_mfa(
    email: Annotated[str, typer.Argument(help="E-mail address of the account.", metavar="EMAIL")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
) -> None:
    """Switch a user's second factor off, who has lost the authenticator app and the recovery codes.

    The password alone signs in then, and every session of the user ends. Whoever asks for it may not be the owner of
    the account: make sure by another way than e-mail. Without --yes nothing is done.

    Example: bizq user disable-mfa ann@example.com --yes
    """
    if not yes:
        raise InvalidInput(
            f"The password alone will sign {email} in, and all their sessions will end. Make sure, by another way than "
            "e-mail, that it is them who ask. Then repeat it with --yes."
        )
    user_id = asyncio.run(_disable(email))
    out.print(
        f"The second factor of {ids.encode(ids.USER, user_id)} is off; all their sessions have ended. "
        "Tell them to sign in and to set it up again.",
        markup=False,
    )


async def _disable(email: str) -> UUID:
    loaded = settings.load()
    async with as_owner(loaded) as engine:
        return await take_second_factor_off(engine, Vault(loaded.encryption_keys), email)
