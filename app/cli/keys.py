"""`bizq keys`: the secrets of an installation."""

import base64
import secrets

import typer

from app.settings import KEY_BYTES

app = typer.Typer(help="Make the secrets of an installation.", no_args_is_help=True)


# With a callback, typer keeps `new` a command of its own while it is the only one.
@app.callback()
def keys() -> None:
    """Make the secrets of an installation."""


@app.command("new")
def new_key() -> None:
    """Print a new key for BIZQ_TOKEN_KEY or BIZQ_ENCRYPTION_KEY: 32 random bytes in base64.

    Example: bizq keys new
    """
    typer.echo(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())
