import json
import shlex
from dataclasses import replace
from pathlib import Path

from app.cli.banner import banner, commands
from tests.unit.embedded.test_instance import RUNNING


def test_three_lines_to_paste_each_a_single_shell_command() -> None:
    run, curl, web_socket = commands(RUNNING, Path(".bizq").resolve())

    assert shlex.split(run)[1:3] == ["run", "text.summarize"]
    assert json.loads(shlex.split(curl)[-1])["variables"]["i"]["type"] == "review.classify"
    compile(shlex.split(web_socket)[2], "pasted", "exec")
    assert all("\n" not in line for line in (run, curl, web_socket))


def test_another_data_folder_stands_before_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "my data"

    first = shlex.split(commands(RUNNING, folder)[0])[0]

    assert first == f"BIZQ_DATA_DIR={folder}"


def test_it_says_where_and_with_which_key() -> None:
    text = banner(replace(RUNNING, url="http://127.0.0.1:8123"), Path(".bizq").resolve())

    for part in ("http://127.0.0.1:8123/graphql", "ws://127.0.0.1:8123/graphql", "bzq_live_key"):
        assert part in text
