"""`bizq documents`, on the database as its owner."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.settings import Settings
from tests.integration.cli.conftest import Result, Start

Documents = Callable[..., Awaitable[Result]]


@pytest.fixture
def documents(start: Start, settings: Settings) -> Documents:
    async def documents(*arguments: str) -> Result:
        addresses = {"DATABASE_URL": settings.app_database_url, "DATABASE_OWNER_URL": settings.owner_database_url}
        return await (await start("documents", *arguments, **addresses)).result()

    return documents


@pytest.fixture
async def none_yet(owner: AsyncEngine) -> None:
    async with owner.begin() as connection:
        await connection.execute(text("DELETE FROM trusted_documents"))


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def names(result: Result) -> list[str]:
    return [each["name"] for each in result.json["documents"]]


@pytest.mark.usefixtures("none_yet")
async def test_documents_are_added_once_listed_and_removed(documents: Documents, tmp_path: Path) -> None:
    one = "query One { viewer { role } } query Two { serverInfo { version } }\n"
    other = "subscription { taskEvents { kind } }"
    (tmp_path / "one.graphql").write_text(one)
    (tmp_path / "other.json").write_text(json.dumps({sha256(other): other, sha256(one): one}))
    files = (str(tmp_path / "one.graphql"), str(tmp_path / "other.json"))

    first, again = await documents("add", *files, "--json"), await documents("add", *files)
    listed = await documents("list", "--json")
    removed = await documents("remove", f"sha256:{sha256(one)}")

    assert first.json["documents"] == [
        {"hash": sha256(one), "name": "One, Two", "added": True},
        {"hash": sha256(other), "name": "(no name)", "added": True},
    ]
    assert [line.split()[-1] for line in again.out.splitlines()[1:]] == ["known", "known"]
    assert [(each["hash"], each["bytes"]) for each in listed.json["documents"]] == [
        (sha256(other), len(other)),
        (sha256(one), len(one)),
    ]
    assert (removed.code, names(await documents("list", "--json"))) == (0, ["(no name)"])


@pytest.mark.usefixtures("none_yet")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "query A { viewer { nothing } }",
            "bad.graphql: Cannot query field 'nothing' on type 'Viewer'. (line 1, column 20)",
        ),
        ("query A { viewer { role }", "Syntax Error: Expected Name, found <EOF>."),
        ("fragment F on Viewer { role }", "The document has no operation."),
        (
            "query A { " + " ".join(f"v{n}: viewer {{ role }}" for n in range(31)) + " }",
            "bad.graphql: A: The document has 31 aliases; the limit is 30.",
        ),
        ("query A { viewer { role } } #" + "x" * 65_536, "65565 bytes; the limit is 65536."),
        (
            "query A { viewer { role } } query B { viewer { nothing } }",
            "Cannot query field 'nothing' on type 'Viewer'. (line 1, column 48)",
        ),
    ],
)
async def test_what_the_service_would_not_execute_is_not_added(
    documents: Documents, tmp_path: Path, content: str, reason: str
) -> None:
    (tmp_path / "good.graphql").write_text("{ viewer { role } }")
    (tmp_path / "bad.graphql").write_text(content)

    refused = await documents("add", str(tmp_path / "good.graphql"), str(tmp_path / "bad.graphql"))

    assert refused.code == 1
    assert "bad.graphql: " in refused.err
    assert reason in refused.err
    assert (await documents("list", "--json")).json == {"documents": []}


@pytest.mark.usefixtures("none_yet")
async def test_all_that_is_named_is_removed_or_nothing(documents: Documents, tmp_path: Path) -> None:
    content = "query Kept { viewer { role } }"
    (tmp_path / "kept.graphql").write_text(content)
    await documents("add", str(tmp_path / "kept.graphql"))

    absent = await documents("remove", sha256(content), "0" * 64)
    malformed = await documents("remove", "kept")

    assert (absent.code, absent.err) == (1, f"error There is no document {'0' * 64}; nothing was removed.\n")
    assert (malformed.code, "`bizq documents list` shows them" in malformed.err) == (1, True)
    assert names(await documents("list", "--json")) == ["Kept"]


async def test_help_tells_how_clients_ask_for_them(documents: Documents) -> None:
    shown: Any = (await documents("--help")).out

    assert '{"documentId": "sha256:HASH"}' in shown
    assert "BIZQ_TRUSTED_ONLY" in shown
