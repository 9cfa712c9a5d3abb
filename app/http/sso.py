"""GET /auth/sso/start and /auth/sso/callback: a browser's way to its company's identity provider and back.

`start` takes `email`, `domain` or `connection`, and `challenge` and `return_to`. It sends the browser to the provider
with a cookie that only this path of single sign-on reads. `callback` sends it on to `return_to`, with `sso_code` for
the mutation completeSso, or with `sso_error`, which is one of `app/services/sso/refusal.py`.
"""

from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from app.db.availability import is_unavailable
from app.errors import InvalidInput
from app.principal import client_address
from app.services.limit.attempts import Attempt, Attempts, TooManyAttempts
from app.services.sso.flows import LIFETIME
from app.services.sso.single_sign_on import CALLBACK, Asked, SingleSignOn

log = structlog.get_logger(__name__)

# The prefix makes browsers refuse it from other hosts, from other paths, and over plain HTTP (RFC 6265bis, 4.1.3.2).
COOKIE = "__Host-bizq-sso"
SEE_OTHER = 303
_Handler = Callable[[Request, dict[str, str]], Awaitable[Response]]


class SsoRoutes:
    def __init__(self, single_sign_on: SingleSignOn, attempts: Attempts) -> None:
        self._single_sign_on = single_sign_on
        self._attempts = attempts

    def routes(self) -> list[Route]:
        return [
            Route("/auth/sso/start", _guarded(self._start), methods=["GET"]),
            Route(CALLBACK, _guarded(self._callback), methods=["GET"]),
        ]

    async def _start(self, request: Request, given: dict[str, str]) -> Response:
        # It is the first half of a sign-in, and leaves a row behind.
        await self._attempts.count(Attempt.SIGN_IN, client_address.get())
        departure = await self._single_sign_on.start(
            Asked(
                email=given.get("email"),
                domain=given.get("domain"),
                connection=given.get("connection"),
                challenge=given.get("challenge", ""),
                return_to=given.get("return_to", ""),
            )
        )
        response = RedirectResponse(departure.url, SEE_OTHER)
        if departure.browser is not None:
            _set_cookie(response, departure.browser, int(LIFETIME.total_seconds()))
        return response

    async def _callback(self, request: Request, given: dict[str, str]) -> Response:
        url = await self._single_sign_on.finish(given, request.cookies.get(COOKIE, ""))
        response = RedirectResponse(url, SEE_OTHER)
        _set_cookie(response, "", 0)
        return response


def _set_cookie(response: Response, value: str, seconds: int) -> None:
    # Lax: it comes with the provider's redirect, which is a navigation, and with no request that another page makes.
    response.set_cookie(COOKIE, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def _guarded(handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
    """What goes wrong is said in a line of text: there is no page of ours, and a redirect would need an address."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request, _parameters(request))
        except InvalidInput as error:
            return PlainTextResponse(error.message + "\n", 400)
        except TooManyAttempts as error:
            return PlainTextResponse(error.message + "\n", 429, {"Retry-After": str(error.retry_after)})
        except Exception as error:
            if is_unavailable(error):
                log.warning("single sign-on refused: the database does not answer", reason=type(error).__name__)
                return PlainTextResponse("Single sign-on does not work at the moment; try again.\n", 503)
            log.error("single sign-on broke", exc_info=error)
            return PlainTextResponse("Something went wrong on our side.\n", 500)

    return answer


def _parameters(request: Request) -> dict[str, str]:
    """Raises InvalidInput for one that is there twice (RFC 6749, section 3.1), or that nothing can be stored of."""
    pairs = request.query_params.multi_items()
    given = dict(pairs)
    if len(given) < len(pairs):
        raise InvalidInput("A parameter is there twice.")
    if any("\0" in value for value in given.values()):
        raise InvalidInput("A parameter has a NUL in it.")
    return given
