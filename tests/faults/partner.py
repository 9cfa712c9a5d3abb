"""A partner's client: it repeats what was not answered, with the same key, at the next address."""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.faults.waiting import PATIENCE_SECONDS, until

ANSWER_SECONDS = 3.0
PAUSE_SECONDS = 0.1
CREATE = """mutation($input: CreateTaskInput!, $key: String) {
  createTask(input: $input, idempotencyKey: $key) { task { id } errors { code } } }"""
CREATE_MANY = """mutation($inputs: [CreateTaskInput!]!, $key: String) {
  createTasks(inputs: $inputs, idempotencyKey: $key) { results { task { id } errors { code } } errors { code } } }"""


def task_input(text: str) -> dict[str, Any]:
    return {"type": "text.summarize", "input": {"text": text}}


class Partner:
    """`addresses` gives those to choose from at the moment. An answer that is neither 200 nor 503 fails the test."""

    def __init__(
        self, http: httpx.AsyncClient, addresses: Callable[[], list[str]], token: str | None, first: int = 0
    ) -> None:
        self.token = token
        self._http = http
        self._addresses = addresses
        self._turn = first

    def fellow(self, number: int) -> "Partner":
        """Another client of the same workspace; different numbers begin at different addresses."""
        return Partner(self._http, self._addresses, self.token, number)

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """`data` of the answer. Fails the test after a minute, and at once for what repeating does not mend."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (data := await self._ask_once(query, variables)) is None:
            assert time.monotonic() < deadline, f"no answer in {PATIENCE_SECONDS:g} s"
            self._turn += 1
            await asyncio.sleep(PAUSE_SECONDS)
        return data

    async def create(self, key: str) -> str:
        """The id of the task that has this key."""
        payload = await self._create_once(CREATE, "createTask", input=task_input(f"Order {key} is late."), key=key)
        return str(payload["task"]["id"])

    async def create_many(self, count: int) -> list[str]:
        """Ids of new tasks, made with one request."""
        inputs = [task_input(f"The storm closed port {number}.") for number in range(count)]
        # Without a key, an answer that is late would have them made twice.
        key = secrets.token_hex(8)
        payload = await self._create_once(CREATE_MANY, "createTasks", inputs=inputs, key=key)
        return [result["task"]["id"] for result in payload["results"]]

    async def _create_once(self, query: str, field: str, **variables: Any) -> dict[str, Any]:
        """The field's payload, which has no errors, as soon as no other request with this key is under way."""
        while True:
            payload: dict[str, Any] = (await self.ask(query, **variables))[field]
            if [error["code"] for error in payload["errors"]] != ["IDEMPOTENCY_IN_PROGRESS"]:
                assert payload["errors"] == []
                return payload
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ask_once(self, query: str, variables: dict[str, Any]) -> dict[str, Any] | None:
        """None where the same request may be answered next time."""
        addresses = self._addresses()
        if not addresses:
            return None
        url = f"{addresses[self._turn % len(addresses)]}/graphql"
        body = {"query": query, "variables": variables}
        headers = {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}
        try:
            response = await self._http.post(url, json=body, headers=headers, timeout=ANSWER_SECONDS)
        except (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError):
            return None
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return None
        assert response.status_code == httpx.codes.OK, response.text
        answer = response.json()
        if any(error["extensions"].get("retryable") for error in answer.get("errors", ())):
            return None
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data


class Load:
    """Clients who create tasks one after another, each with a key of its own, which they repeat until it is answered.

    `acknowledged` has the task's id for each key. `pause` is in seconds, between two creates of a client.
    """

    def __init__(self, partner: Partner, clients: int, pause: float) -> None:
        self._partners = [partner.fellow(number) for number in range(clients)]
        self.acknowledged: dict[str, str] = {}
        self._pause = pause
        self._stopped = False

    async def run(self) -> None:
        """Until `stop`; then every create that was begun is settled."""
        async with asyncio.TaskGroup() as group:
            for number, partner in enumerate(self._partners):
                group.create_task(self._create(number, partner))

    def stop(self) -> None:
        self._stopped = True

    async def go_on(self, creates: int) -> None:
        """Wait until so many more are acknowledged."""
        wanted = len(self.acknowledged) + creates

        async def reached() -> bool:
            return len(self.acknowledged) >= wanted

        await until(reached, f"{wanted} creates acknowledged")

    async def _create(self, number: int, partner: Partner) -> None:
        for count in itertools.count():
            if self._stopped:
                return
            key = f"{number}-{count}"
            self.acknowledged[key] = await partner.create(key)
            await asyncio.sleep(self._pause)


@asynccontextmanager
async def under(load: Load) -> AsyncIterator[None]:
    """The load runs while this is entered; when it is left, all creates have been settled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        yield
        load.stop()
