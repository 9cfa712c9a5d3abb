import httpx
import psutil

from app.embedded.data_dir import DataDir
from app.embedded.model import EmbeddedModel


def test_it_answers_in_openais_format_and_stops_without_a_trace(data: DataDir) -> None:
    model = EmbeddedModel(data.run)
    model.start()
    try:
        model.wait_ready()
        assert model.child is not None
        process = psutil.Process(model.child.pid)
        body = {
            "model": "smollm2-135m-instruct",
            "max_tokens": 8,
            "messages": [{"role": "user", "content": "The parcel of Zebulon is late. Say hello."}],
        }
        answer = httpx.post(f"{model.base_url}/chat/completions", json=body, timeout=60).json()
    finally:
        model.stop()

    assert answer["model"] == "smollm2-135m-instruct"
    assert answer["usage"]["completion_tokens"] in range(1, 9)
    assert not process.is_running()
    assert "Zebulon" not in (data.logs / "model.log").read_text()
