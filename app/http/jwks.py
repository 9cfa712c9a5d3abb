"""GET /.well-known/jwks.json: the public keys that access tokens are verified with, for other services (RFC 7517)."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.services.account.tokens import TokenSigner

# A key that is added to verify first and signs later is known everywhere by then.
CACHE_SECONDS = 300


class Jwks:
    def __init__(self, signer: TokenSigner) -> None:
        self._body = orjson.dumps(signer.jwks())

    async def jwks(self, request: Request) -> Response:
        headers = {"Cache-Control": f"public, max-age={CACHE_SECONDS}"}
        return Response(self._body, media_type="application/jwk-set+json", headers=headers)
