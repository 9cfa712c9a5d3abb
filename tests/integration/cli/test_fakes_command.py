import socket

import httpx
from openai import AsyncOpenAI

from tests.integration.cli.conftest import Start


async def test_the_printed_settings_lead_to_working_fakes(start: Start) -> None:
    command = await start("fakes", "--port", "0")
    lines = [await command.line() for _ in range(9)]
    settings = dict(line.strip().split("=", 1) for line in lines)

    async with AsyncOpenAI(base_url=settings["OPENAI_BASE_URL"], api_key=settings["OPENAI_API_KEY"]) as client:
        answer = await client.chat.completions.create(model="any", messages=[{"role": "user", "content": "Hello"}])
    result = await command.interrupt()

    assert answer.choices[0].message.content
    assert list(settings) == [
        "OPENAI_BASE_URL", "OPENAI_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY",
        "HUGGINGFACE_BASE_URL", "HUGGINGFACE_API_KEY",
        "REPLICATE_BASE_URL", "REPLICATE_API_TOKEN", "REPLICATE_WEBHOOK_SECRET",
    ]  # fmt: skip
    assert settings["ANTHROPIC_BASE_URL"].endswith("/anthropic")
    assert (result.code, result.out) == (0, "")
    assert "rate_limit" in result.err


async def test_a_fault_is_ordered_as_printed(start: Start) -> None:
    command = await start("fakes", "--port", "0")
    url = (await command.line()).strip().split("=", 1)[1].removesuffix("/openai/v1")

    async with httpx.AsyncClient() as http:
        ordered = await http.post(
            f"{url}/_faults", content='{"vendor": "openai", "kind": "rate_limit", "retry_after": 2}'
        )
    await command.interrupt()

    assert ordered.status_code == 201


async def test_a_taken_port_is_one_line(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = await (await start("fakes", "--port", str(port))).result()

    assert (result.code, result.out) == (1, "")
    assert result.err == (f"error Cannot listen on port {port} (Address already in use). Choose another with --port.\n")
