import base64
import stat
from pathlib import Path

import pytest

from app.embedded.data_dir import DataDir, EmbeddedError


def test_a_folder_has_one_supervisor_at_a_time(tmp_path: Path) -> None:
    first, second = DataDir(tmp_path), DataDir(tmp_path)
    first.open()

    with pytest.raises(EmbeddedError, match=f"Another `bizq up` is running on {tmp_path}"):
        second.open()

    first.close()
    second.open()
    second.close()


def test_a_folder_that_cannot_be_made_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(EmbeddedError, match=r"Cannot write to the data folder .*Set BIZQ_DATA_DIR"):
        DataDir(tmp_path / "file" / "data").open()


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    made = DataDir(tmp_path).secrets()
    password, key = made.password("redis"), made.key("token_key")

    again = DataDir(tmp_path).secrets()

    assert (again.password("redis"), again.key("token_key")) == (password, key)
    assert len(base64.b64decode(key, validate=True)) == 32
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"redis": 1}'])
def test_damaged_secrets_are_refused_with_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "secrets.json").write_text(content)

    with pytest.raises(EmbeddedError, match=r"is damaged\. Restore it, or remove the data folder"):
        DataDir(tmp_path).secrets()
