from tests.integration.engine.conftest import (  # noqa: F401  the same queue, the same tasks
    desk,
    empty_queue,
    make_desk,
    owner,
    quick_retries,
    working_with,
)
