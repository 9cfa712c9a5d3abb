"""20,000 malformed requests: each gets an answer that says what is wrong, and nobody else notices."""

import asyncio
import json
import time
from collections import Counter
from contextlib import suppress

import httpx
import pytest
import websockets

from tests.integration.api.malformed import Malformer
from tests.integration.conftest import Tenant

REQUESTS = 18_000
MESSAGES = 2_000
LANES = 16
HEALTH_P99_SECONDS = 0.25


async def watch_health(api: str, seconds: list[float]) -> None:
    async with httpx.AsyncClient() as http:
        while True:
            began = time.perf_counter()
            assert (await http.get(f"{api}/healthz")).status_code == 200
            seconds.append(time.perf_counter() - began)
            await asyncio.sleep(0.02)


async def test_malformed_requests_are_answered_and_disturb_nobody(
    api: str, tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    answers: Counter[int] = Counter()
    wrong: list[tuple[int, bytes, str]] = []
    delays: list[float] = []

    async def send(lane: int) -> None:
        malformer = Malformer(lane)
        async with httpx.AsyncClient(timeout=30) as http:
            for number in range(REQUESTS // LANES):
                body, headers = malformer.body(), malformer.headers()
                if number % 3:
                    headers["Authorization"] = f"Bearer {tenant.api_key}"
                response = await http.post(f"{api}/graphql", content=body, headers=headers)
                answers[response.status_code] += 1
                codes = {error["extensions"]["code"] for error in response.json().get("errors") or ()}
                if response.status_code >= 500 or "INTERNAL" in codes:
                    wrong.append((response.status_code, body, response.text))

    health = asyncio.create_task(watch_health(api, delays))
    await asyncio.gather(*(send(lane) for lane in range(LANES)))
    health.cancel()

    assert wrong == []
    assert answers.total() == REQUESTS // LANES * LANES
    assert {200, 400, 413, 415} & set(answers) >= {200, 400, 415}
    assert sorted(delays)[int(len(delays) * 0.99)] < HEALTH_P99_SECONDS


async def test_malformed_messages_close_a_socket_with_a_code_or_are_answered(api: str, tenant: Tenant) -> None:
    malformer, codes, answered = Malformer(0), Counter[int | None](), 0
    sent = 0
    while sent < MESSAGES:
        address = api.replace("http", "ws", 1) + "/graphql"
        protocol = websockets.Subprotocol("graphql-transport-ws")
        async with websockets.connect(address, subprotocols=[protocol]) as socket:
            await socket.send(
                json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {tenant.api_key}"}})
            )
            await socket.recv()
            with suppress(websockets.ConnectionClosed):
                for _ in range(20):
                    sent += 1
                    await socket.send(malformer.message())
                    await socket.send('{"type": "ping"}')
                    async with asyncio.timeout(10):
                        while (message := json.loads(await socket.recv()))["type"] != "pong":
                            answered += 1
                            assert "INTERNAL" not in json.dumps(message), message
        codes[socket.close_code] += 1

    # 1000 is our own close; 4409 an operation's id that is taken.
    assert set(codes) <= {1000, 4400, 4409}
    # Most answers come after the pong: an operation is paid for first.
    assert answered > 10
