"""What an answer says went wrong."""

from typing import Any

import httpx


def refusals(payload: dict[str, Any]) -> list[tuple[str, list[str] | None]]:
    """Code and path of each error in a mutation's payload."""
    return [(error["code"], error["path"]) for error in payload["errors"]]


def limits(payload: dict[str, Any]) -> list[tuple[int, int]]:
    """Limit and actual value of each error in a mutation's payload."""
    return [(error["limit"], error["actual"]) for error in payload["errors"]]


def code(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a refused request, which carries its id and nothing of our insides."""
    (error,) = response.json()["errors"]
    assert error["extensions"]["requestId"] == response.headers["X-Request-Id"]
    assert "Traceback" not in response.text
    return response.status_code, error["extensions"]["code"]


def extensions(response: httpx.Response) -> dict[str, Any]:
    """Those of the only error, without the request's id."""
    (error,) = response.json()["errors"]
    return {name: value for name, value in error["extensions"].items() if name != "requestId"}
