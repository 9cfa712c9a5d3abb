"""Documents as the tools of a client's build write them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from app.cli.document_files import read_documents
from app.errors import InvalidInput

VIEWER = "query Viewer { viewer { role } }"
TASKS = "query Tasks {\n  tasks {\n    totalCount\n  }\n}"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def apollo(*documents: str, **changes: Any) -> dict[str, Any]:
    operations = [{"id": sha256(text), "name": "X", "type": "query", "body": text} for text in documents]
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations} | changes


@pytest.mark.parametrize(
    "manifest",
    [
        apollo(VIEWER, TASKS),
        {sha256(VIEWER): VIEWER, sha256(TASKS): TASKS},
        {f"sha256:{sha256(VIEWER)}": VIEWER, sha256(TASKS).upper(): TASKS},
    ],
)
def test_a_manifest_has_each_document_as_its_clients_send_it(tmp_path: Path, manifest: dict[str, Any]) -> None:
    path = tmp_path / "persisted.json"
    path.write_text(json.dumps(manifest))

    assert read_documents(path) == [VIEWER, TASKS]


def test_a_file_of_graphql_is_one_document_to_the_last_byte(tmp_path: Path) -> None:
    path = tmp_path / "both.graphql"
    path.write_bytes(f"{VIEWER}\r\n{TASKS}\n".encode())

    assert read_documents(path) == [f"{VIEWER}\r\n{TASKS}\n"]


@pytest.mark.parametrize("algorithm", ["md5", "sha1"])
def test_other_hashes_are_refused_with_the_setting_to_change(tmp_path: Path, algorithm: str) -> None:
    identifier = hashlib.new(algorithm, VIEWER.encode()).hexdigest()
    path = tmp_path / "persisted.json"
    path.write_text(json.dumps({identifier: VIEWER}))

    with pytest.raises(InvalidInput, match=f"{identifier} is not the SHA-256 .*hashAlgorithm to sha256; with Relay"):
        read_documents(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON: .*, line 1 column 2"),
        (b"[]", "has no list of documents"),
        (b"{}", "has no list of documents"),
        (b'{"hash": {"document": "x"}}', "has no list of documents"),
        (json.dumps(apollo(VIEWER, version=2)).encode(), "has no list of documents"),
        (json.dumps(apollo(VIEWER, operations=[7])).encode(), "has no list of documents"),
        (json.dumps(apollo()).encode(), "has no list of documents"),
    ],
)
def test_what_is_no_manifest_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "persisted.json"
    path.write_bytes(content)

    with pytest.raises(InvalidInput, match=rf"persisted\.json {message}"):
        read_documents(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.graphql").write_bytes(b"# \xe4\n")

    with pytest.raises(InvalidInput, match=r"latin\.graphql is not UTF-8, from byte 2 on"):
        read_documents(tmp_path / "latin.graphql")
    with pytest.raises(InvalidInput, match=r"none\.graphql cannot be read: No such file"):
        read_documents(tmp_path / "none.graphql")
