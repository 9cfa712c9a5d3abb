"""`bizq documents`: the GraphQL documents that clients may ask for by their hash, for whoever operates the service."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from graphql import GraphQLError, GraphQLSyntaxError, OperationDefinitionNode
from rich.table import Table

from app import settings
from app.cli import view
from app.cli.console import print_json
from app.cli.document_files import read_documents
from app.cli.owner import as_owner
from app.errors import AppError, InvalidInput, LimitExceeded
from app.graphql.documents import limits_of, parse_document, problems
from app.graphql.guard import QueryLimits
from app.graphql.schema import schema
from app.graphql.validation import Disclosure
from app.models.trusted_document import MAX_DOCUMENT_BYTES, MAX_NAME
from app.services.document import store
from app.services.document.store import Document, Stored

_HELP = """Keep the GraphQL documents that clients may ask for by their hash (on the database).

A client that sends the hash instead of the text saves bytes. With BIZQ_TRUSTED_ONLY=true the service executes these
documents and no others. Clients send {"documentId": "sha256:HASH"} or
{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "HASH"}}}, with variables and operationName as ever."""
_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
app = typer.Typer(help=_HELP, no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("add")
def add(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="GraphQL with one or more operations, or with the name .json a manifest of Apollo, graphql-codegen "
            "or Relay.",
        ),
    ],
    json: AsJson = False,
) -> None:
    """Add documents: all of the files', or none where one does not fit the schema or the limits of this service.

    The hash of a GraphQL file is that of its bytes, as sha256sum prints it. To add what is there already changes
    nothing. Running APIs find new documents at once.

    Example: bizq documents add queries/*.graphql persisted-query-manifest.json
    """
    limits = limits_of(settings.load())
    documents = {each.digest: each for path in files for each in _checked(path, limits)}
    added = asyncio.run(_add(list(documents.values())))
    rows = [(digest, each.name, digest in added) for digest, each in documents.items()]
    if json:
        print_json({"documents": [{"hash": key.hex(), "name": name, "added": new} for key, name, new in rows]})
        return
    view.print_table(
        _table(("HASH", "NAME", ""), [(key.hex(), name, "" if new else "known") for key, name, new in rows])
    )


@app.command("list")
def list_documents(json: AsJson = False) -> None:
    """List the documents, by name.

    Example: bizq documents list
    """
    found = asyncio.run(_list())
    if json:
        print_json({"documents": [_as_json(each) for each in found]})
        return
    rows = [(each.digest.hex(), each.name, str(each.size), f"{each.added_at:%Y-%m-%d %H:%M}") for each in found]
    view.print_table(_table(("HASH", "NAME", "BYTES", "ADDED"), rows))


@app.command("remove")
def remove(
    hashes: Annotated[list[str], typer.Argument(metavar="HASH", help="As `bizq documents list` shows them.")],
    json: AsJson = False,
) -> None:
    """Remove documents: all of those named, or none where one is not there. Running APIs refuse them seconds later.

    Example: bizq documents remove $(sha256sum < queries/old.graphql | cut -d' ' -f1)
    """
    digests = [_digest(text) for text in hashes]
    missing = asyncio.run(_remove(digests))
    if missing:
        raise InvalidInput(f"There is no document {min(missing).hex()}; nothing was removed.")
    if json:
        print_json({"removed": [digest.hex() for digest in digests]})


def _checked(path: Path, limits: QueryLimits) -> list[Document]:
    found = []
    for text in read_documents(path):
        try:
            found.append(Document(text, _check(text, limits)))
        except (AppError, GraphQLSyntaxError) as error:
            raise InvalidInput(f"{path}: {error.message}") from None
    return found


def _check(text: str, limits: QueryLimits) -> str:
    """The names of its operations. Raises AppError, GraphQLSyntaxError for what the service would not execute."""
    size = len(text.encode())
    if size > MAX_DOCUMENT_BYTES:
        message = f"The document has {size} bytes; the limit is {MAX_DOCUMENT_BYTES}."
        raise LimitExceeded(message, limit=MAX_DOCUMENT_BYTES, actual=size)
    if "\0" in text:
        raise InvalidInput("The document has a NUL character, which PostgreSQL does not store.")
    definitions = parse_document(text, limits.tokens).definitions
    operations = [each for each in definitions if isinstance(each, OperationDefinitionNode)]
    if not operations:
        raise InvalidInput("The document has no operation.")
    names = [operation.name.value if operation.name else None for operation in operations]
    for name in names:
        # An introspection, say, is for the operator to allow; it still needs a caller who is known.
        wrong = problems(schema._schema, text, name, None, limits, Disclosure(introspection=True, suggestions=True))
        if wrong:
            raise InvalidInput(_told(wrong[0], name))
    return ", ".join(name or "(no name)" for name in names)[:MAX_NAME]


def _told(error: GraphQLError, operation: str | None) -> str:
    """With the place in the document or, for what is wrong with an operation as a whole, its name."""
    if error.locations:
        return f"{error.message} (line {error.locations[0].line}, column {error.locations[0].column})"
    return f"{operation}: {error.message}" if operation else error.message


def _digest(text: str) -> bytes:
    found = _HASH.fullmatch(text.strip().lower())
    if found is None:
        raise InvalidInput(
            f"{text} is not the hash of a document: 64 hexadecimal digits. `bizq documents list` shows them."
        )
    return bytes.fromhex(found[1])


async def _add(documents: list[Document]) -> set[bytes]:
    async with as_owner(settings.load()) as engine:
        return await store.add_documents(engine, documents)


async def _list() -> list[Stored]:
    async with as_owner(settings.load()) as engine:
        return list(await store.list_documents(engine))


async def _remove(digests: list[bytes]) -> set[bytes]:
    async with as_owner(settings.load()) as engine:
        return await store.remove_documents(engine, digests)


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, no_wrap=True, justify="right" if name == "BYTES" else "left")
    for row in rows:
        table.add_row(*(view.plain(cell) for cell in row))
    return table


def _as_json(each: Stored) -> dict[str, object]:
    return {"hash": each.digest.hex(), "name": each.name, "bytes": each.size, "addedAt": each.added_at}
