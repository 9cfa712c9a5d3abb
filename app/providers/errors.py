"""What can go wrong with a vendor, in our words, and whether trying again can help.

Status codes and error types: OpenAI "Error codes" (developers.openai.com/api/docs/guides/error-codes) and
Claude "Errors" (platform.claude.com/docs/en/api/errors), read 2026-11; 424 is
a generation that broke, in Hugging Face's Text Generation Inference.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from app.errors import AppError, ErrorCode
from app.providers.chat import Usage


class ProviderError(AppError):
    """A vendor failed us. The message holds no key, no prompt, and of the vendor's body only its error type.

    `reason` is a stable word to branch on, `moves_on` whether another provider may do what this one did not,
    `retry_after` the vendor's wish in seconds, `usage` what was billed although the answer is unusable (a refusal),
    where the vendor said it.
    """

    code = ErrorCode.PROVIDER_UNAVAILABLE

    def __init__(
        self,
        provider: str,
        reason: str,
        *,
        retryable: bool,
        detail: str | None = None,
        retry_after: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        self.provider = provider
        self.reason = reason
        self.retryable = retryable
        self.retry_after = retry_after
        self.usage = usage
        self.moves_on = retryable or reason in _OF_THE_PROVIDER
        word = detail if detail and _SHORT_WORD.fullmatch(detail) else None
        super().__init__(f"{provider}: {_SENTENCES[reason]}{f' ({word})' if word else ''}.")


class _Kind(NamedTuple):
    reason: str
    retryable: bool


_SHORT_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SENTENCES = {
    "rate_limited": "too many requests for the moment",
    "overloaded": "the service is overloaded",
    "server_error": "the service failed",
    "timeout": "no answer in time",
    "connection": "the service could not be reached",
    "stream_cut": "the answer broke off before its end",
    "conflict": "the service asked to try again",
    "bad_request": "the request was refused as invalid",
    "request_too_large": "the request is larger than the service accepts",
    "authentication": "the API key was not accepted",
    "permission": "the API key may not use this",
    "not_found": "the model or address does not exist",
    "quota_exhausted": "the account's credit or spend limit is used up",
    "refused": "the model declined to answer",
    "not_configured": "this provider is not configured",
    "circuit_open": "it has failed repeatedly, so it is not asked for the moment",
    "at_ceiling": "this installation makes no more calls of it at present",
    "connection_gone": "the workspace's own connection was deleted or disabled",
    "key_unreadable": "the key of the workspace's own connection cannot be opened here",
    "address_refused": "its address is not in the public internet, and this installation calls no others",
    "certificate": "its TLS certificate is not valid for this address",
    "redirected": "it redirects to another address, which is not followed",
    "answer_too_large": "the answer is larger than an answer can be",
    "not_understood": "what answers there does not speak this protocol",
}
# Nothing was asked: an attempt that ends so is not counted as a try.
NOT_CALLED = frozenset({"circuit_open", "at_ceiling"})
# Trying again there cannot help, and there is nothing wrong with the request.
_OF_THE_PROVIDER = {
    *("authentication", "permission", "not_found", "quota_exhausted", "not_configured", "connection_gone"),
    *("key_unreadable", "address_refused", "certificate", "redirected", "answer_too_large", "not_understood"),
}
_BY_STATUS = {
    **dict.fromkeys((301, 302, 303, 307, 308), _Kind("redirected", retryable=False)),
    401: _Kind("authentication", retryable=False),
    402: _Kind("quota_exhausted", retryable=False),
    403: _Kind("permission", retryable=False),
    404: _Kind("not_found", retryable=False),
    408: _Kind("timeout", retryable=True),
    409: _Kind("conflict", retryable=True),
    413: _Kind("request_too_large", retryable=False),
    424: _Kind("server_error", retryable=True),
    429: _Kind("rate_limited", retryable=True),
    503: _Kind("overloaded", retryable=True),
    504: _Kind("timeout", retryable=True),
    529: _Kind("overloaded", retryable=True),
}
# Both vendors answer 429 when the money is spent, and both say that trying again cannot help then.
_SPENT = {
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "enforced_spend_limit_reached",
}
# Hugging Face's router says with a 400 that no partner serves the model.
_UNKNOWN_MODEL = {"model_not_supported", "model_not_found"}
# An error inside a stream comes after "200 OK"; its type says which status it would have been.
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "slow_down": 429,
    "insufficient_quota": 429,
    "api_error": 500,
    "server_error": 500,
    "server_is_overloaded": 503,
    "service_unavailable_error": 503,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def from_status(provider: str, status: int, words: tuple[str, ...], headers: Mapping[str, str]) -> ProviderError:
    """The error behind an HTTP status. `words` are the vendor's error code and type, the more exact first."""
    kind = _BY_STATUS.get(status) or (
        _Kind("server_error", retryable=True) if status >= 500 else _Kind("bad_request", retryable=False)
    )
    if status == 429 and not _SPENT.isdisjoint(words):
        kind = _Kind("quota_exhausted", retryable=False)
    if status == 400 and not _UNKNOWN_MODEL.isdisjoint(words):
        kind = _Kind("not_found", retryable=False)
    return ProviderError(
        provider,
        kind.reason,
        retryable=kind.retryable,
        detail=next((word for word in words if _SHORT_WORD.fullmatch(word)), None),
        retry_after=retry_after_seconds(headers) if kind.retryable else None,
    )


def from_stream_event(provider: str, words: tuple[str, ...]) -> ProviderError:
    """The error behind an event inside a stream that began well. An unknown one is the vendor's fault."""
    # Servers that speak OpenAI's format put the status itself into the code (llama.cpp: {"code": 500, …}).
    numbers = [int(word) for word in words if word.isdecimal()]
    statuses = numbers or [_STATUS_OF_TYPE[word] for word in words if word in _STATUS_OF_TYPE]
    return from_status(provider, next(iter(statuses), 500), words, {})


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds from `retry-after-ms`, or from `Retry-After` as seconds or as an HTTP date (RFC 9110, 10.2.3).

    A date is compared with the response's own Date header, which leaves our clock's error out of it.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    return seconds if seconds is not None else _seconds_between(headers.get("date"), value)


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\s*\d{1,9}(\.\d{1,9})?\s*", text) else None


def _seconds_between(start: str | None, end: str | None) -> float | None:
    if not start or not end:
        return None
    try:
        return max((parsedate_to_datetime(end) - parsedate_to_datetime(start)).total_seconds(), 0.0)
    except (ValueError, TypeError):  # not a date, or one date without a time zone
        return None
