"""Who fails to sign in too often has to wait. Counted in PostgreSQL: over all processes, and whatever becomes of Redis.

Failures are counted in three places, and each has its limit:

- for a login from one address: each 5th failure locks them for a minute, then two, four … up to an hour;
- for an address, whatever the login: each 100th, in the same way;
- for a login, from wherever: each 50th locks it for a minute … up to 15 minutes, except for addresses from which its
  owner signed in before (as long as that session is remembered). So nobody can keep owners out where they usually are,
  and elsewhere every lock is followed by 50 tries.

What is refused while locked is neither verified nor counted, so hammering does not make a lock longer. A count begins
anew 15 minutes after the last failure, or after the lock that it brought. Signing in ends the count of the first kind.
An address is an IPv4 address or the /64 network of an IPv6 address. No address or login is stored: the keys are blind
indexes of the vault, as a plain hash of an e-mail address is found by trying addresses. While its keys change, what was
counted under the old one still locks, and counting begins anew.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import clock
from app.db.vault import Vault
from app.errors import LimitExceeded

FIRST_LOCK = timedelta(minutes=1)
QUIET = timedelta(minutes=15)
_HERE = (5, timedelta(hours=1))
_ADDRESS = (100, timedelta(hours=1))
_LOGIN = (50, timedelta(minutes=15))
_IPV6_NETWORK = 64
# Places of the vault's blind indexes.
_ORIGIN, _ACCOUNT, _NETWORK = "sign_in_failures.origin", "sign_in_failures.account", "sign_in_failures.address"
_RECORD = text("SELECT record_sign_in_failure(:keys, :limits, :longest, :first, :quiet)")
_FORGET = text("SELECT forget_sign_in_failures(:keys)")


class SignInLocked(LimitExceeded):
    """Too many failures. The same for a login that nobody has."""

    what = "sign-ins failed"

    def __init__(self, retry_at: datetime, field: str = "password") -> None:
        self.retry_at = retry_at
        seconds = max(1, round((retry_at - clock.now()).total_seconds()))
        when = retry_at.isoformat(timespec="seconds")
        message = f"Too many {self.what}. Try again in {seconds} s, at {when}."
        super().__init__(message, limit=_HERE[0], actual=_HERE[0], path=(field,))


@dataclass(frozen=True, slots=True)
class Attempt:
    """The keys that failures of one sign-in are found under, and counted under the first of each.

    `addresses` is empty where the client's is not known.
    """

    origins: list[bytes]
    accounts: list[bytes]
    addresses: list[bytes]

    @classmethod
    def of(cls, vault: Vault, login: str, client: str | None) -> "Attempt":
        network = network_of(client) if client else ""
        return cls(
            origins=vault.indexes(_ORIGIN, f"{login}\0{network}"),
            accounts=vault.indexes(_ACCOUNT, login),
            addresses=vault.indexes(_NETWORK, network) if network else [],
        )

    @property
    def origin(self) -> bytes:
        return self.origins[0]

    @property
    def values(self) -> dict[str, list[bytes]]:
        return {"origins": self.origins, "accounts": self.accounts, "addresses": self.addresses}


async def record_failure(engine: AsyncEngine, attempt: Attempt) -> None:
    places = ((attempt.origins, _HERE), (attempt.accounts, _LOGIN), (attempt.addresses, _ADDRESS))
    counted = [(keys[0], *limit) for keys, limit in places if keys]
    # In one order everywhere, so that two of these cannot wait for each other.
    keys, limits, longest = zip(*sorted(counted), strict=True)
    values = {"keys": keys, "limits": limits, "longest": longest, "first": FIRST_LOCK, "quiet": QUIET}
    async with engine.begin() as connection:
        await connection.execute(_RECORD, values)


async def forget(engine: AsyncEngine, attempt: Attempt) -> None:
    """After a sign-in that worked: the count of this login from this address."""
    async with engine.begin() as connection:
        await connection.execute(_FORGET, {"keys": attempt.origins})


async def unlock(connection: AsyncConnection, attempt: Attempt) -> None:
    """After a new password was set by mail: the locks of this login, here and from wherever. Not the address's own."""
    await connection.execute(_FORGET, {"keys": [*attempt.origins, *attempt.accounts]})


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
