"""`bizq keys`: the secrets of an installation."""

import typer

from app.cli import token_key
from app.cli.rotate_keys import rotate

app = typer.Typer(help="Make the secrets of an installation, and change them.", no_args_is_help=True)
app.add_typer(token_key.app, name="token")


@app.command("new")
def new_key() -> None:
    """Print a new key for BIZQ_TOKEN_KEY or BIZQ_ENCRYPTION_KEY: 32 random bytes in base64.

    Example: bizq keys new
    """
    typer.echo(token_key.new_key())


app.command("rotate")(rotate)
