"""Telling somebody by webhook, signed as Standard Webhooks says (standardwebhooks.com, "Signature scheme")."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

import httpx2

# Everybody may know it: what it signs is made up.
SECRET = f"whsec_{base64.b64encode(b'bizq fakes sign with this key...').decode()}"
_SECONDS = 5.0


def signed(body: bytes, *, identifier: str, timestamp: int, secret: str = SECRET) -> dict[str, str]:
    """The headers: HMAC-SHA256 of `identifier.timestamp.body`, in base64, after its version."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{identifier}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


async def send(url: str, content: Mapping[str, Any]) -> str:
    """Once. What came of it: the HTTP status, or the kind of error."""
    body = json.dumps(content).encode()
    headers = signed(body, identifier=f"msg_{uuid.uuid4().hex}", timestamp=int(time.time()))
    try:
        async with httpx2.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
            response = await client.post(url, content=body, headers={"content-type": "application/json", **headers})
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return type(error).__name__
    return str(response.status_code)
