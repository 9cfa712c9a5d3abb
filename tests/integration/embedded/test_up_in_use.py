import socket

import pytest

from app.embedded.data_dir import DataDir
from app.embedded.port import LOOPBACK
from tests.integration.embedded.test_up_refusals import refusal


def test_a_second_up_on_a_folder_speaks_of_the_first_not_of_its_port(data: DataDir) -> None:
    with socket.create_server((LOOPBACK, 0)) as api:
        line = refusal(data.path, BIZQ_PORT=str(api.getsockname()[1]))

    assert line == (
        f"error Another `bizq up` is running on {data.path}. Stop it, or set BIZQ_DATA_DIR to another folder."
    )


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_a_url_without_a_usable_port_is_refused_in_one_line(data: DataDir, name: str) -> None:
    data.close()
    scheme = "redis" if name == "REDIS_URL" else "postgresql"

    line = refusal(data.path, **{name: f"{scheme}://user:geheim@localhost:port/0"})

    assert line == f"error {name} is no URL that can be used: its port is not a number."
