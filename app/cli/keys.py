"""`bizq keys`: the secrets of an installation."""

import base64
import secrets

import typer

from app.cli.rotate_keys import rotate
from app.settings import KEY_BYTES

app = typer.Typer(help="Make and change the secrets of an installation.", no_args_is_help=True)


@app.command("new")
def new_key() -> None:
    """Print a new key for BIZQ_TOKEN_KEY or BIZQ_ENCRYPTION_KEY: 32 random bytes in base64.

    Example: bizq keys new
    """
    typer.echo(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())


app.command("rotate")(rotate)
