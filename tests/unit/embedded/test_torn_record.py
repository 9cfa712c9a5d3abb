from pathlib import Path

import pytest

from app.embedded.child import end_leftovers


@pytest.mark.parametrize("content", ["", '{"pid": 12', "[]", "{}", '{"pid": 1}', '{"pid": null, "started": 1}'])
def test_a_record_torn_by_a_sigkill_names_no_process_and_stops_no_start(tmp_path: Path, content: str) -> None:
    (tmp_path / "redis.json").write_text(content)

    ended = end_leftovers(tmp_path)

    assert ended == []
    assert list(tmp_path.iterdir()) == []
