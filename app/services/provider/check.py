"""One tiny call through a connection, and what is wrong with it in plain words."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass

from app import ids
from app.errors import NotFound
from app.principal import Permission, Principal
from app.providers.chat import ChatProvider, ChatRequest, Message
from app.providers.errors import ProviderError
from app.services.provider.clients import OwnProviders
from app.services.routing.configured import DEFAULT_MODELS

# Within what a request may take.
SECONDS = 8.0
_QUESTION = (Message("user", "Answer with the word: ready"),)
_MAX_TOKENS = 16
# For the reasons that say more with an advice; the others are sentences already.
_ADVICE = {
    "authentication": "The key was not accepted: check that it is complete and was not revoked.",
    "permission": "The key is right but may not use this model: look at its rights where it was made.",
    "not_found": "The address answers, but not to this model's name or path: check the model, and that baseUrl ends as "
    "the server's guide says, often with /v1.",
    "quota_exhausted": "The key is right, but the account behind it has no credit left, or has reached its limit.",
    "rate_limited": "The key is right, but its account makes too many requests at the moment.",
    "connection": "Nobody can be reached there: check the name and the port, and that it is open to the internet.",
    "timeout": f"There was no answer within {SECONDS:g} seconds.",
    "stream_cut": "Something answers there, but not as a model's server does: check that baseUrl is that of an "
    "OpenAI-compatible API, often with /v1 at its end.",
    "bad_request": "The request was refused as invalid: the model may not exist there, or may not be one to chat with.",
    "address_refused": "The address is not in the public internet, and this installation calls no others.",
    "certificate": "The server's TLS certificate is not valid for this address, or not from a known authority.",
    "redirected": "The address redirects to another one, which is not followed: give the last address itself.",
    "key_unreadable": "The key that is stored cannot be opened any more: give it once more.",
}


@dataclass(frozen=True, slots=True)
class Tested:
    """`reason` is a stable word, None where it works; `problem` says the same to people. `milliseconds` it took."""

    model: str
    milliseconds: int
    reason: str | None = None
    problem: str | None = None


async def check_connection(own: OwnProviders, models: Mapping[str, str], caller: Principal, public_id: str) -> Tested:
    """Also of one that is disabled. Holds no transaction meanwhile. Raises Forbidden or NotFound.

    `models` are those that this installation uses of each provider where nobody names one.
    """
    caller.require(Permission.PROVIDER_MANAGE)
    key = ids.decode(ids.PROVIDER_CONNECTION, public_id)
    began = time.monotonic()
    model, failure = "", None
    try:
        found = await own.find(caller.workspace_id, key) if key is not None else None
        if found is None:
            raise NotFound("Provider connection", public_id)
        model = found.model or models.get(found.access.kind) or DEFAULT_MODELS[found.access.kind]
        async with asyncio.timeout(SECONDS), own.use(found) as provider:
            await _ask(provider, model)
    except TimeoutError:
        failure = ProviderError("", "timeout", retryable=True)
    except ProviderError as error:
        failure = error
    took = round((time.monotonic() - began) * 1000)
    # A model that declines has answered.
    if failure is None or failure.reason == "refused":
        return Tested(model, took)
    return Tested(model, took, failure.reason, _ADVICE.get(failure.reason, failure.message))


async def _ask(provider: ChatProvider, model: str) -> None:
    async with aclosing(provider.stream(ChatRequest(model, "", _QUESTION, _MAX_TOKENS))) as parts:
        async for _ in parts:
            pass
