import os
from pathlib import Path

import pytest

from app.embedded.instance import Instance, write_instance

VARIABLES = (
    "BIZQ_URL", "BIZQ_API_KEY", "DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL",
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HUGGINGFACE_API_KEY", "REPLICATE_API_TOKEN", "LOCAL_BASE_URL",
)  # fmt: skip


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No variable is set, and nothing runs in the data folder, which is returned."""
    # Set first, so that whatever the code under test sets itself is taken back as well.
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("BIZQ_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def instance(nowhere: Path) -> Instance:
    """One that "runs": its supervisor is this process."""
    running = Instance(
        pid=os.getpid(),
        url="http://127.0.0.1:8123",
        api_key="bzq_live_of_the_instance",
        workspace_id="ws_1",
        database_url="postgresql://app@127.0.0.1:5/bizq",
        database_owner_url="postgresql://owner@127.0.0.1:5/bizq",
        redis_url="redis://127.0.0.1:6",
        local_base_url="http://127.0.0.1:7/v1",
    )
    write_instance(nowhere, running)
    return running
