"""Requests that are wrong in every way we could think of, the same for the same seed."""

import json
import random
import string
from typing import Any

from tests.integration.api.documents import CREATE_TASKS, TASK_EVENTS

CREATE = (
    "mutation($i: CreateTaskInput!, $k: String) { createTask(input: $i, idempotencyKey: $k) "
    "{ task { id status } errors { code path message } } }"
)
DOCUMENTS = [
    CREATE,
    CREATE_TASKS,
    TASK_EVENTS,
    "query($f: TaskFilter, $n: Int, $a: String) { tasks(first: $n, after: $a, filter: $f) { nodes { id type } } }",
    "query($id: ID!) { node(id: $id) { id ... on Task { type } } task(id: $id) { id } }",
    "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
    "mutation($id: ID!, $r: String) { cancelTask(id: $id, reason: $r) { errors { code } } }",
    "mutation($i: CreateTemplateInput!) { createTemplate(input: $i) { errors { code path } } }",
    "mutation($i: CreateWorkerInput!) { createWorker(input: $i) { errors { code path } } }",
    "mutation($i: SignInInput!) { signIn(input: $i) { errors { code } } }",
    "{ viewer { role } serverInfo { version } }",
]
NAMES = ["i", "k", "f", "n", "a", "id", "ids", "r", "input", "inputs", "filter", "after", "taskId"]
FIELDS = [
    "type", "input", "templateId", "workerId", "complexity", "priority", "maxCost", "runAt", "expiresAt", "maxAttempts",
    "metadata", "tags", "statuses", "types", "search", "inputContains", "createdAfter", "slug", "name", "prompt",
    "kind", "inputSchema", "outputSchema", "email", "password", "finishedAfter", "errorCodes", "category",
    "provider", "model",
]  # fmt: skip
TOKENS = [
    "{", "}", "(", ")", "[", "]", ":", "!", "$", "@", "...", "|", "=", "&", "query", "mutation", "subscription",
    "fragment", "on", "a", "tasks", "viewer", "__typename", "__schema", "first", "1", "-0", "1e999", '"', '"""', "null",
    "true", "#", "\\", "\x00", "\ufeff", "é", "\U0001f600", ",", "id", "taskEvents",
]  # fmt: skip
TEXTS = [
    "", "a", "\x00", "\ud800", "x" * 1000, "task_01h455vb4pex5vsknk084sn02q", "2026-01-01", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00", "%", "_", "\\", "' OR 1=1", "email.reply",
]  # fmt: skip


class Malformer:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def body(self) -> bytes:
        """What is sent as the body of a POST."""
        kind = self._random.random()
        if kind < 0.55:
            return self._encode(self._request())
        if kind < 0.7:
            return self._broken(self._encode(self._request()))
        if kind < 0.8:
            return self._random.randbytes(self._random.randint(0, 200))
        if kind < 0.9:
            return self._encode(self._value(4))
        return self._nested()

    def headers(self) -> dict[str, str]:
        pick = self._random.choice
        headers = {"Content-Type": "application/json"}
        if self._random.random() < 0.1:
            headers["Content-Type"] = pick(["text/plain", "application/xml", "", "application/json;x", "a/b/c", ";"])
        if self._random.random() < 0.2:
            headers["Accept"] = pick(["*/*", "application/graphql-response+json", "text/html", "", "x" * 500, ";;,,"])
        if self._random.random() < 0.05:
            headers["X-Workspace-Id"] = pick(["", "ws_1", "ws_01h455vb4pex5vsknk084sn02q", "'; --"])
        return headers

    def message(self) -> str | bytes:
        """What is sent over a socket."""
        kind = self._random.random()
        if kind < 0.15:
            return self._random.choice([b"", b"\x00\xff", "", "{", "[]", "null", "1", '"x"', "{}"])
        if kind < 0.3:
            return self._broken(self._encode(self._operation())).decode(errors="replace")
        return self._encode(self._operation()).decode(errors="replace")

    def _operation(self) -> Any:
        pick = self._random.choice
        message: dict[str, Any] = {"type": pick(["subscribe", "subscribe", "complete", "ping", "pong", "next", "x", 1])}
        if self._random.random() < 0.9:
            message["id"] = pick(["1", "2", 3, None, [], "x" * 300, "\x00"])
        if self._random.random() < 0.9:
            message["payload"] = self._request() if self._random.random() < 0.8 else self._value(3)
        return message

    def _request(self) -> dict[str, Any]:
        pick = self._random.choice
        request: dict[str, Any] = {"query": pick(DOCUMENTS) if self._random.random() < 0.75 else self._soup()}
        if self._random.random() < 0.85:
            request["variables"] = {name: self._value(3) for name in self._random.sample(NAMES, 4)}
        if self._random.random() < 0.1:
            request["operationName"] = self._value(1)
        if self._random.random() < 0.1:
            request["extensions"] = self._value(2)
        if self._random.random() < 0.05:
            request["query"] = self._value(1)
        return request

    def _soup(self) -> str:
        return " ".join(self._random.choices(TOKENS, k=self._random.randint(1, 60)))

    def _value(self, depth: int) -> Any:
        pick = self._random.choice
        kind = self._random.randint(0, 9 if depth else 6)
        match kind:
            case 0:
                return pick([0, -1, 1, 101, 2**31, 2**53, 2**63, -(2**63), 2**64, 10**300])
            case 1:
                return pick([0.5, -0.0, 1e308, 1e-320])
            case 2:
                return pick([True, False, None])
            case 3 | 4:
                return pick(TEXTS)
            case 5:
                return "".join(self._random.choices(string.printable, k=self._random.randint(0, 40)))
            case 6:
                return {}
            case 7:
                return [self._value(depth - 1) for _ in range(self._random.randint(0, 4))]
        return {pick(FIELDS): self._value(depth - 1) for _ in range(self._random.randint(0, 6))}

    def _encode(self, value: Any) -> bytes:
        # With lone surrogates and numbers beyond 64 bits, as other languages' encoders let them pass.
        return json.dumps(value, ensure_ascii=self._random.random() < 0.5).encode(errors="surrogatepass")

    def _broken(self, body: bytes) -> bytes:
        changed = bytearray(body)
        for _ in range(self._random.randint(1, 4)):
            if changed:
                changed[self._random.randrange(len(changed))] = self._random.randrange(256)
        return bytes(changed[: self._random.randint(0, len(changed))] if self._random.random() < 0.3 else changed)

    def _nested(self) -> bytes:
        depth = self._random.choice([10, 200, 5_000, 50_000])
        start, end = self._random.choice([(b"[", b"]"), (b'{"query":', b"}"), (b'{"a":[', b"]}")])
        return start * depth + b"1" + end * self._random.choice([depth, 0])
