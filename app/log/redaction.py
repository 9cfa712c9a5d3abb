"""Secrets and people's addresses are taken out of every line before it is written: by name, and by what they look like.

The last line of defence, not the first: nothing is logged that is known to be secret. It is for a library's exception
that shows what it was given, and for a value that somebody logs without thinking.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from structlog.typing import EventDict, WrappedLogger

REDACTED = "[redacted]"
# Deeper is only what somebody sent us.
_DEEPEST = 6
_LONGEST = 20_000
# Of a name's words, `accessToken` and `access_token` being two: any of these, or all of one of the groups. `tokens`,
# of which a model used so many, is not among them.
_WORDS = frozenset(
    {
        *("password", "passwd", "passphrase", "secret", "secrets", "token", "credential", "credentials", "dsn"),
        *("authorization", "bearer", "cookie", "cookies", "apikey", "code", "otp", "totp", "email"),
    }
)
_GROUPS = tuple(
    frozenset(group) for group in (("api", "key"), ("token", "key"), ("encryption", "key"), ("private", "key"))
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# One pass over a text. What the first group has stays, so that a line still says what was there.
_PATTERN = re.compile(
    r"""
    \b(bz[a-z]_(?:live_)?)[\w-]{8,}                                     # our keys and refresh tokens
    | (?<![A-Za-z0-9])(sk-)[\w-]{6,}                                    # keys of OpenAI and Anthropic
    | (?<![A-Za-z0-9])(hf_|r8_|whsec_)[\w+/=-]{20,}                      # Hugging Face's, Replicate's; of webhooks
    | \b()eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?                                # a JSON Web Token: RFC 7519
    | \b((?:[Bb]earer|[Bb]asic|BEARER|BASIC)\s+)[\w.~+/=-]{4,}          # an Authorization value: RFC 9110
    | \b([A-Za-z][A-Za-z0-9+.-]{0,30}://)[^\s/@]*:[^\s/@]+(?=@)         # user and password in an address: RFC 3986
    | (?<![\w.%+'-])()[\w.%+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+     # an e-mail address
    | (?<![A-Za-z0-9+/])()[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])          # 32 bytes in base64
    | (?i:(["']?\b\w{0,30}(?:password|passwd|secret|token|api_?key|authorization|cookie|totp)["']?\s{0,3}[=:]\s{0,3}))
      (?:"[^"]*"|'[^']*'|[^\s,;&)}\]]+)                                 # a named value in a text
    """,
    re.VERBOSE,
)


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A structlog processor: the last before the renderer, when exceptions are text already."""
    return {name: REDACTED if _is_secret(name, value) else _clean(value, _DEEPEST) for name, value in event.items()}


def redact_text(text: str) -> str:
    """Also cut to what a line can bear."""
    return _PATTERN.sub(_replacement, text[:_LONGEST])


def _replacement(match: re.Match[str]) -> str:
    return f"{match[match.lastindex or 0]}{REDACTED}"


def _clean(value: Any, deeper: int) -> Any:
    """The same without secrets; what is neither text nor number nor made of them becomes its `repr`."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return redact_text(value)
        case Mapping() if deeper:
            return {
                redact_text(str(name)): REDACTED if _is_secret(str(name), each) else _clean(each, deeper - 1)
                for name, each in value.items()
            }
        case list() | tuple() | set() | frozenset() if deeper:
            return [_clean(each, deeper - 1) for each in value]
    return redact_text(repr(value))


def _is_secret(name: str, value: Any) -> bool:
    return value is not None and not isinstance(value, bool) and _names_a_secret(name)


@lru_cache(maxsize=1_000)
def _names_a_secret(name: str) -> bool:
    words = {word.lower() for word in _WORD.findall(name)}
    return not _WORDS.isdisjoint(words) or any(group <= words for group in _GROUPS)
