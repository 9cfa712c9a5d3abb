"""Secrets to look for, and a day in the life of an installation in which they are used, mistyped and sent astray."""

import asyncio
import base64
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import websockets
from redis import asyncio as redis_asyncio

from app.services.routing.configured import DEFAULT_MODELS
from tests.cluster import Cluster

SIGN_UP = """mutation($input: SignUpInput!) { signUp(input: $input) {
  accessToken refreshToken user { name email } errors { message } } }"""
SIGN_IN = "mutation($input: SignInInput!) { signIn(input: $input) { accessToken refreshToken errors { message } } }"
REFRESH = "mutation($t: String!) { refreshSession(refreshToken: $t) { accessToken refreshToken errors { message } } }"
CHANGE = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { errors { message } } }"
NEW_KEY = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret errors { message } } }"
CREATE = "mutation($input: CreateTaskInput!) { createTask(input: $input) { task { id } errors { message } } }"
CONNECT = """mutation($input: CreateProviderConnectionInput!) { createProviderConnection(input: $input) {
  connection { id keyEndsWith } errors { message } } }"""
TRY = "mutation($id: ID!) { testProviderConnection(id: $id) { works problem errors { message } } }"
CONNECTIONS = "{ providerConnections { name keyEndsWith } }"
STATUS = "query($id: ID!) { task(id: $id) { status } }"
WHO = "{ viewer { user { name email } } }"
UNDER_WAY = ("QUEUED", "RUNNING")
# Where somebody is shown what is theirs.
SHOWN = {
    "access token": {"sign up", "sign in", "refresh"},
    "refresh token": {"sign up"},
    "API key": {"new key"},
    "e-mail address": {"sign up", "who"},
    "name": {"sign up", "who"},
}


def secret(name: str) -> str:
    return f"canary-{name}-{secrets.token_hex(8)}"


@dataclass
class Story:
    """`canaries` are the secrets by what they are; the rest is what was found when the day was over."""

    canaries: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    codes: list[int | None] = field(default_factory=list)
    logs: str = ""
    redis: str = ""
    database: str = ""


def planted() -> dict[str, str]:
    """Those that somebody chooses; the others are made by the service."""
    return {
        "password": secret("password"),
        "new password": secret("password"),
        "wrong password": secret("password"),
        "e-mail address": f"{secret('mail')}@example.com",
        "name": secret("name"),
        "OpenAI key": f"sk-proj-{secret('openai')}",
        "Anthropic key": f"sk-ant-{secret('anthropic')}",
        "Hugging Face key": f"hf_{secret('huggingface')}",
        "Replicate token": f"r8_{secret('replicate')}",
        "Replicate's signing secret": f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "own provider key": f"key-{secret('own')}",
        "cookie": secret("cookie"),
        "wrong API key": f"bzq_live_{secret('key')}",
        "wrong token": secret("token"),
        "code": "".join(secrets.choice("0123456789") for _ in range(12)),
        "text of a socket": secret("socket"),
        "address": secret("address"),
    }


class Day:
    """One API and one worker, which log all that they can."""

    def __init__(self, cluster: Cluster, http: httpx.AsyncClient, story: Story) -> None:
        self._cluster = cluster
        self._http = http
        self._story = story
        self._url = cluster.urls[0]

    async def live(self) -> None:
        await self._account()
        await self._malformed()
        await self._socket()
        await self._connection()
        await self._task()
        await self._broken()

    async def ask(self, label: str, document: str, token: str | None = None, **variables: Any) -> Any:
        return await self._send(label, token, json={"query": document, "variables": variables})

    async def _send(self, label: str, token: str | None = None, **request: Any) -> Any:
        headers = {"Cookie": f"session={self._story.canaries['cookie']}"} | request.pop("headers", {})
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        answer = await self._http.request(
            request.pop("method", "POST"), f"{self._url}/graphql", headers=headers, **request
        )
        self._story.answers[label] = answer.text + json.dumps(dict(answer.headers))
        self._story.statuses[label] = answer.status_code
        data = answer.json().get("data")
        return next(iter(data.values())) if data else None

    async def _account(self) -> None:
        known = self._story.canaries
        login = {"email": known["e-mail address"], "password": known["password"]}
        made = await self.ask("sign up", SIGN_UP, input=login | {"name": known["name"]})
        known |= {"access token": made["accessToken"], "refresh token": made["refreshToken"]}
        await self.ask("wrong password", SIGN_IN, input=login | {"password": known["wrong password"]})
        await self.ask("sign in", SIGN_IN, input=login)
        await self.ask("who", WHO, known["access token"])
        await self.ask("refresh", REFRESH, t=known["refresh token"])
        change = {"currentPassword": known["wrong password"], "newPassword": known["new password"]}
        await self.ask("no change", CHANGE, known["access token"], input=change)
        change = {"currentPassword": known["password"], "newPassword": known["new password"]}
        await self.ask("change", CHANGE, known["access token"], input=change)
        key = await self.ask("new key", NEW_KEY, known["access token"], input={"name": "Test"})
        known["API key"] = key["secret"]
        await self.ask("who by key", "{ viewer { role } }", known["API key"])
        await self.ask("reused", REFRESH, t=known["refresh token"])
        await self.ask("wrong key", WHO, known["wrong API key"])
        await self.ask("wrong token", WHO, known["wrong token"])

    async def _malformed(self) -> None:
        known = self._story.canaries
        login = {"email": known["e-mail address"], "password": known["password"]}
        literal = f'mutation {{ signIn(input: {{email: "a@example.com", password: "{known["password"]}"'
        await self._send("no JSON", content=f'{{"password": "{known["password"]}"'.encode(), headers=JSON)
        await self._send("form", content=f"password={known['password']}".encode(), headers=FORM)
        await self._send(
            "in the address", method="GET", params={"ticket": known["address"], "query": literal, "code": known["code"]}
        )
        await self.ask("no end", literal)
        await self.ask("wrong literal", f"{literal} code: {known['code']}}}) {{ accessToken }} }}")
        await self.ask("wrong type", SIGN_IN, input=login | {"password": [known["password"]]})
        await self.ask("wrong field", SIGN_IN, input=login | {"code": known["code"]})
        await self.ask("wrong string", f'{{ viewer "{known["code"]}" }}')
        await self.ask("wrong variable", "query($n: Int) { tasks(first: $n) { totalCount } }", n=known["code"])
        await self._send("wrong hash", json={"documentId": known["code"]})

    async def _socket(self) -> None:
        known = self._story.canaries
        hidden = known["text of a socket"]
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {known['API key']}", "note": hidden}}
        wrong = {"type": "connection_init", "payload": {"authorization": f"Bearer {known['wrong token']}"}}
        query = {"type": "subscribe", "id": hidden, "payload": {"query": f'{{ viewer(code: "{known["code"]}") }}'}}
        for label, messages in {
            "accepted": [init, query],
            "refused": [wrong],
            "not JSON": [init, f'{{"{hidden}'],
            "no message": [init, {"type": hidden, "id": hidden}],
            "twice": [init, init],
            "too long": [init, {"type": "ping", "payload": {hidden: "x" * 70_000}}],
        }.items():
            self._story.answers[f"socket: {label}"] = await self._converse(messages)

    async def _converse(self, messages: list[Any]) -> str:
        """All that the server says before it falls silent or closes, with the code and the reason."""
        protocols = [websockets.Subprotocol("graphql-transport-ws")]
        address = f"{self._url.replace('http', 'ws', 1)}/graphql?ticket={self._story.canaries['address']}"
        heard = ""
        async with websockets.connect(address, subprotocols=protocols) as opened:
            for message in messages:
                await opened.send(message if isinstance(message, str) else json.dumps(message))
            try:
                async with asyncio.timeout(1):
                    async for each in opened:
                        heard += str(each)
            except (TimeoutError, websockets.ConnectionClosed):
                pass
        # The id of an operation is said back to whoever chose it.
        heard = heard.replace(f'"id":"{self._story.canaries["text of a socket"]}"', "")
        self._story.codes.append(opened.close_code)
        return f"{heard} {opened.close_reason}"

    async def _connection(self) -> None:
        """A key of the workspace's own, given rightly and wrongly, and tried; the task that follows uses it."""
        key, own = self._story.canaries["API key"], self._story.canaries["own provider key"]
        wanted = {"provider": "OPENAI", "name": "ours", "apiKey": own}
        made = await self.ask("connect", CONNECT, key, input=wanted)
        await self.ask("try", TRY, key, id=made["connection"]["id"])
        await self.ask("connections", CONNECTIONS, key)
        await self.ask("connect twice", CONNECT, key, input=wanted)
        await self.ask("connect wrongly", CONNECT, key, input=wanted | {"apiKey": [own], "name": own})
        await self.ask("connect with a space", CONNECT, key, input=wanted | {"apiKey": f"{own} x", "name": "other"})
        await self.ask("key as an address", CONNECT, key, input=wanted | {"baseUrl": f"https://{own}@example.com"})

    async def _task(self) -> None:
        """So that the worker uses each provider's key."""
        key = self._story.canaries["API key"]
        task = {"type": "text.summarize", "input": {"text": "The storm closed the port."}}
        for provider in ("openai", "anthropic", "huggingface", "replicate"):
            wanted = task | {"model": f"{provider}/{DEFAULT_MODELS[provider]}"}
            made = await self.ask(f"task of {provider}", CREATE, key, input=wanted)
            async with asyncio.timeout(20):
                while (await self.ask("status", STATUS, key, id=made["task"]["id"]))["status"] in UNDER_WAY:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

    async def _broken(self) -> None:
        """A bug in the middle of a sign-in; then the database is gone."""
        login = {"email": self._story.canaries["e-mail address"], "password": self._story.canaries["password"]}
        owner = await asyncpg.connect(self._cluster.owner_url)
        await owner.execute("ALTER FUNCTION auth_sign_in RENAME TO mislaid")
        await self.ask("bug", SIGN_IN, input=login)
        await owner.execute("ALTER FUNCTION mislaid RENAME TO auth_sign_in")
        await owner.close()
        await self._cluster.kill_postgres()
        await self.ask("away", SIGN_IN, input=login)
        await self.ask("away by key", WHO, self._story.canaries["API key"])
        await self._cluster.start_postgres()


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def tell() -> Story:
    story = Story(planted())
    environment = {
        "BIZQ_LOG_LEVEL": "debug",
        "OPENAI_API_KEY": story.canaries["OpenAI key"],
        "ANTHROPIC_API_KEY": story.canaries["Anthropic key"],
        "HUGGINGFACE_API_KEY": story.canaries["Hugging Face key"],
        "REPLICATE_API_TOKEN": story.canaries["Replicate token"],
        "REPLICATE_WEBHOOK_SECRET": story.canaries["Replicate's signing secret"],
    }
    async with Cluster(environment=environment) as cluster, httpx.AsyncClient(timeout=30) as http:
        story.canaries["database password"] = urlsplit(cluster.postgres.app_url).password or ""
        story.canaries["Redis password"] = urlsplit(cluster.redis_url).password or ""
        story.canaries["token key"] = cluster.keys["BIZQ_TOKEN_KEY"]
        story.canaries["encryption key"] = cluster.keys["BIZQ_ENCRYPTION_KEY"]
        await Day(cluster, http, story).live()
        story.redis = await all_of_redis(cluster.redis_url)
        story.database = await all_of_database(cluster.owner_url)
        processes = [*cluster.apis, *cluster.workers]
        for process in processes:
            process.stop()
            await process.wait(40)
        story.logs = "".join(process.log() for process in processes)
    return story


async def all_of_redis(url: str) -> str:
    """Every key with its value."""
    client = redis_asyncio.Redis.from_url(url, decode_responses=True, encoding_errors="replace")
    reads: dict[str, Any] = {
        "string": client.get,
        "hash": client.hgetall,
        "set": client.smembers,
        "list": lambda key: client.lrange(key, 0, -1),
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "stream": client.xrange,
    }
    found = [f"{key}: {await reads[await client.type(key)](key)}" async for key in client.scan_iter()]
    await client.aclose()
    return "\n".join(found)


async def all_of_database(url: str) -> str:
    """Every row of every table, as text; what is binary is in hexadecimal."""
    connection = await asyncpg.connect(url)
    names = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    rows = [row[0] for name in names for row in await connection.fetch(f'SELECT t::text FROM "{name[0]}" t')]
    await connection.close()
    return "\n".join(rows)
