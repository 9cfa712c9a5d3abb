"""`bizq keys token`: another key for access tokens, in three steps between which every process is started anew."""

import base64
import secrets
from collections.abc import Callable, Sequence

import typer

from app import settings
from app.cli.console import err
from app.cli.environment import data_dir
from app.embedded.data_dir import TOKEN_KEY, DataDir
from app.errors import InvalidState
from app.settings import KEY_BYTES

VARIABLE = "BIZQ_TOKEN_KEY"
app = typer.Typer(
    help="Change the key that signs access tokens without refusing anybody: add, use, drop, and after each start every "
    "process with the value that is printed.",
    no_args_is_help=True,
)


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


@app.command("add")
def add() -> None:
    """Step 1: a new key behind the present one. Its tokens are accepted, and nobody signs with it yet.

    Example: bizq keys token add
    """
    _change(lambda keys: [*keys, new_key()])


@app.command("use")
def use() -> None:
    """Step 2, when every process knows the new key: it signs, and tokens of the old one are still accepted.

    Example: bizq keys token use
    """
    _change(_last_first)


@app.command("drop")
def drop() -> None:
    """Step 3, when BIZQ_TOKEN_SECONDS have passed since step 2: only the key that signs is kept.

    Example: bizq keys token drop
    """
    _change(lambda keys: [keys[0]])


def _last_first(keys: Sequence[str]) -> Sequence[str]:
    if len(keys) == 1:
        raise InvalidState(f"{VARIABLE} is one key only: make another with `bizq keys token add` first.")
    return [keys[-1], *keys[:-1]]


def _change(step: Callable[[Sequence[str]], Sequence[str]]) -> None:
    """Kept where `bizq up` keeps its key; else printed, as a setting is changed where it is made."""
    loaded = settings.load().bizq_token_key
    held = DataDir(data_dir()).secrets()
    kept = held.get(TOKEN_KEY)
    present = loaded.get_secret_value() if loaded is not None else kept
    if present is None:
        raise InvalidState(f"There is no {VARIABLE} yet: set it to the output of `bizq keys new`.")
    value = ",".join(step([key.strip() for key in present.split(",")]))
    if present == kept:
        held.put(TOKEN_KEY, value)
        err.print("Kept for `bizq up`, which takes it when it is started anew.")
    else:
        typer.echo(f"{VARIABLE}={value}")
        err.print("Set it in every process, and start each anew before the next step.")
