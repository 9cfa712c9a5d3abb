import pytest
import redis

from app.embedded.data_dir import DataDir
from tests.integration.embedded.conftest import MakeRedis


def test_it_comes_back_on_the_same_port_with_what_it_had(make_redis: MakeRedis) -> None:
    server = make_redis()
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.set("kept", "yes")

    server.stop()
    server.start()

    with redis.Redis.from_url(server.url) as client:
        assert client.get("kept") == b"yes"


def test_nobody_gets_in_without_the_password(make_redis: MakeRedis) -> None:
    server = make_redis()
    server.start()

    address = "redis://" + server.url.partition("@")[2]
    with redis.Redis.from_url(address) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_the_password_is_not_in_the_list_of_processes(make_redis: MakeRedis, data: DataDir) -> None:
    server = make_redis()
    server.start()

    assert server.child is not None
    assert data.secrets().password("redis") not in " ".join(server.child.command.argv)
    assert (data.path / "redis" / "redis.conf").stat().st_mode & 0o077 == 0
