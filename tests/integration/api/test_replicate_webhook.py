"""POST /webhooks/in/replicate: believed when it is signed and of now, and then only a wake."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.events.hub import Hub
from app.fakes.webhook import SECRET, signed
from app.http.replicate_webhook import MAX_BYTES
from app.providers.replicate_predictions import prediction_channel
from app.settings import Settings
from tests.integration.api.conftest import OwnApi

BODY = json.dumps({"id": "ufawqhfynnddngldkgtslldrkq", "status": "succeeded", "output": ["Once"]}).encode()
CHANNEL = prediction_channel("ufawqhfynnddngldkgtslldrkq")


class Post:
    """Sends a webhook, signed now unless told otherwise; `woken` counts what it woke."""

    def __init__(self, http: httpx.AsyncClient, url: str, hub: Hub) -> None:
        self._http = http
        self._url = url
        self._hub = hub

    async def __call__(self, body: bytes = BODY, *, age: int = 0, secret: str = SECRET, **changed: str) -> Any:
        headers = signed(body, identifier="msg_1", timestamp=int(time.time()) - age, secret=secret)
        headers |= {f"webhook-{name}": value for name, value in changed.items()}
        return await self._http.post(f"{self._url}/webhooks/in/replicate", content=body, headers=headers)

    async def wakes(self, **sent: Any) -> tuple[int, bool]:
        """The status, and whether whoever waits for the prediction was woken."""
        async with self._hub.listen(CHANNEL) as wakeups:
            woken = False

            def notify() -> None:
                nonlocal woken
                woken = True

            leave = await self._hub.watch(CHANNEL, notify)
            response = await self(**sent)
            if response.status_code == 202:
                await wakeups.wait(5)
            leave()
        return response.status_code, woken


@pytest.fixture
async def post(own_api: OwnApi, http: httpx.AsyncClient, settings: Settings) -> AsyncIterator[Post]:
    hub = Hub(settings.redis)
    await hub.start()
    async with own_api(replicate_webhook_secret=SecretStr(SECRET)) as url:
        yield Post(http, url, hub)
    await hub.stop()


async def test_a_signed_message_wakes_who_waits_in_another_process(post: Post) -> None:
    assert await post.wakes() == (202, True)


async def test_what_comes_twice_does_no_harm(post: Post) -> None:
    first, second = await post(), await post()

    assert (first.status_code, second.status_code, second.text) == (202, 202, "")
    assert await post.wakes() == (202, True)


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({"signature": "v1,AAAA"}, "The signature is wrong.\n"),
        ({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "The signature is wrong.\n"),
        ({"id": "msg_2"}, "The signature is wrong.\n"),
        ({"age": 301}, "The timestamp is more than 300 seconds from now.\n"),
        ({"age": -310}, "The timestamp is more than 300 seconds from now.\n"),
        ({"signature": ""}, "webhook-id, webhook-timestamp and webhook-signature are required.\n"),
    ],
)
async def test_what_is_not_authentic_is_refused_and_wakes_nobody(
    post: Post, sent: dict[str, Any], problem: str
) -> None:
    refused = await post(**sent)

    assert (refused.status_code, refused.text) == (401, problem)
    assert await post.wakes(**sent) == (401, False)


async def test_a_body_that_is_too_large_is_not_read_to_its_end(post: Post) -> None:
    at_the_limit = await post(BODY + b" " * (MAX_BYTES - len(BODY)))
    refused = await post(BODY + b" " * (MAX_BYTES - len(BODY) + 1))

    assert at_the_limit.status_code == 202
    assert (refused.status_code, refused.text) == (413, "The body is larger than 1048576 bytes.\n")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff", b'{"id": 7}', b'{"id": "a:b"}', b'{"id": "' + b"x" * 65 + b'"}']
)
async def test_a_signed_body_that_is_no_prediction_is_refused(post: Post, body: bytes) -> None:
    refused = await post(body)

    assert (refused.status_code, refused.text) == (400, "The body is no prediction.\n")


async def test_other_methods_are_not_allowed(post: Post, http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{post._url}/webhooks/in/replicate")).status_code == 405


async def test_without_a_secret_there_is_no_such_address(api: str, http: httpx.AsyncClient) -> None:
    assert (await http.post(f"{api}/webhooks/in/replicate", content=BODY)).status_code == 404
