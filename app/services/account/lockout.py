"""Who fails to sign in too often has to wait. Counted in PostgreSQL: over all processes, and whatever becomes of Redis.

Failures are counted in three places, and each has its limit:

- for a login from one address: each 5th failure locks them for a minute, then two, four … up to an hour;
- for an address, whatever the login: each 100th, in the same way;
- for a login, from wherever: each 50th locks it for a minute … up to 15 minutes, except for addresses from which its
  owner signed in before (as long as that session is remembered). So nobody can keep owners out where they usually are,
  and elsewhere every lock is followed by 50 tries.

What is refused while locked is neither verified nor counted, so hammering does not make a lock longer. A count begins
anew 15 minutes after the last failure, or after the lock that it brought. Signing in ends the count of the first kind.
An address is an IPv4 address or the /64 network of an IPv6 address. The keys are hashes: no address or login is stored.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock
from app.errors import LimitExceeded

FIRST_LOCK = timedelta(minutes=1)
QUIET = timedelta(minutes=15)
_HERE = (5, timedelta(hours=1))
_ADDRESS = (100, timedelta(hours=1))
_LOGIN = (50, timedelta(minutes=15))
_IPV6_NETWORK = 64
_RECORD = text("SELECT record_sign_in_failure(:keys, :limits, :longest, :first, :quiet)")
_FORGET = text("SELECT forget_sign_in_failures(:keys)")


class SignInLocked(LimitExceeded):
    """Too many failures. The same for a login that nobody has."""

    def __init__(self, retry_at: datetime, field: str = "password") -> None:
        self.retry_at = retry_at
        seconds = max(1, round((retry_at - clock.now()).total_seconds()))
        when = retry_at.isoformat(timespec="seconds")
        message = f"Too many sign-ins failed. Try again in {seconds} s, at {when}."
        super().__init__(message, limit=_HERE[0], actual=_HERE[0], path=(field,))


@dataclass(frozen=True, slots=True)
class Attempt:
    """The keys that failures of one sign-in are counted under; `address` is None where the client's is not known."""

    origin: bytes
    account: bytes
    address: bytes | None

    @classmethod
    def of(cls, login: str, client: str | None) -> "Attempt":
        network = network_of(client) if client else ""
        return cls(
            origin=_key("origin", login, network),
            account=_key("login", login),
            address=_key("address", network) if network else None,
        )

    @property
    def values(self) -> dict[str, bytes | None]:
        return {"origin": self.origin, "account": self.account, "address": self.address}


async def record_failure(engine: AsyncEngine, attempt: Attempt) -> None:
    counted = [(attempt.origin, *_HERE), (attempt.account, *_LOGIN)]
    if attempt.address is not None:
        counted.append((attempt.address, *_ADDRESS))
    # In one order everywhere, so that two of these cannot wait for each other.
    keys, limits, longest = zip(*sorted(counted), strict=True)
    values = {"keys": keys, "limits": limits, "longest": longest, "first": FIRST_LOCK, "quiet": QUIET}
    async with engine.begin() as connection:
        await connection.execute(_RECORD, values)


async def forget(engine: AsyncEngine, attempt: Attempt) -> None:
    """After a sign-in that worked: the count of this login from this address."""
    async with engine.begin() as connection:
        await connection.execute(_FORGET, {"keys": [attempt.origin]})


def network_of(client: str) -> str:
    """The address that counts: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))
    return str(address)


def _key(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).digest()
