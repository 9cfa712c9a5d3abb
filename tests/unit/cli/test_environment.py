import os
from pathlib import Path

import pytest

from app.cli.environment import adopt_instance
from app.embedded.instance import Instance


def adopted(*names: str) -> list[str | None]:
    adopt_instance()
    return [os.environ.get(name) for name in names]


def test_a_running_instance_fills_what_is_not_set(instance: Instance) -> None:
    assert adopted("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "LOCAL_BASE_URL") == [
        instance.database_url,
        instance.database_owner_url,
        instance.redis_url,
        instance.local_base_url,
    ]


@pytest.mark.usefixtures("instance")
def test_another_database_is_not_mixed_with_the_instances_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/bizq")

    assert adopted("DATABASE_URL", "DATABASE_OWNER_URL") == ["postgresql://elsewhere/bizq", None]


@pytest.mark.usefixtures("instance")
def test_a_configured_provider_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")

    assert adopted("OPENAI_API_KEY", "LOCAL_BASE_URL") == ["sk-mine", None]


@pytest.mark.usefixtures("nowhere")
def test_without_an_instance_nothing_changes() -> None:
    assert adopted("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "LOCAL_BASE_URL") == [None] * 4


def test_an_instance_whose_supervisor_has_ended_is_none(instance: Instance, nowhere: Path) -> None:
    file = nowhere / "instance.json"
    file.write_text(file.read_text().replace(f'"pid": {instance.pid}', '"pid": 2147483646'))

    assert adopted("DATABASE_URL") == [None]
