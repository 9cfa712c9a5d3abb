"""Which addresses of the network somebody may have us call who is not the operator. Pure.

What is not public: the IANA registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890 and its successors, as
of 2026-11), and multicast. Addresses that lead to others by translation are refused as well, whatever they lead to:
mapped IPv4 (RFC 4291, 2.5.5.2), 6to4 (RFC 3056), Teredo (RFC 4380), NAT64 (RFC 6052, RFC 8215).
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx2

from app.errors import InvalidInput

MAX_URL_LENGTH = 500
_MAX_PORT = 65_535
_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


def _networks(*names: str) -> tuple[_Network, ...]:
    return tuple(ip_network(name) for name in names)


# Only inside 2000::/3 has anything been given to the public (RFC 4291, IANA's IPv6 address space).
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NOT_PUBLIC = _networks(
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4"),
    # Teredo, benchmarking and the like; documentation; 6to4; documentation again.
    *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
)
# What an operator may open up: their own machine and networks.
_PRIVATE = _networks(
    *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)
# Where clouds hand out credentials, beside 169.254.0.0/16, which is never opened up: Azure's, which is a public
# address, Alibaba's, and that of AWS over IPv6.
_METADATA = _networks("168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::254/128")


def may_call(address: str, *, allow_private: bool) -> bool:
    """`address` as a resolver gives it, an IPv6 one perhaps with a zone."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if _within(parsed, _METADATA):
        return False
    return _is_public(parsed) or (allow_private and _within(parsed, _PRIVATE))


def checked_base_url(text: str, *, allow_private: bool) -> str:
    """Of a server that speaks somebody's API, without a slash at its end. Raises InvalidInput for baseUrl.

    Where a name leads to is seen when it is called.
    """
    if len(text) > MAX_URL_LENGTH or not text.isascii() or not text.isprintable() or not set(text).isdisjoint(" \\"):
        raise _wrong(f"has at most {MAX_URL_LENGTH} characters of ASCII, without spaces")
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        raise _wrong("is not an address such as https://models.example.com/v1") from None
    if url.scheme != "https" and not (allow_private and url.scheme == "http"):
        raise _wrong("begins with https://")
    # Not `host`, which decodes international names, and fails where they are none.
    host = url.raw_host.decode("ascii")
    if not host or url.userinfo or not set(text).isdisjoint("?#"):
        raise _wrong("is an address without user, password, ? and #; the key goes into apiKey")
    if url.port is not None and not 1 <= url.port <= _MAX_PORT:
        raise _wrong(f"has a port from 1 to {_MAX_PORT}")
    if _is_literal(host) and not may_call(host, allow_private=allow_private):
        raise _wrong("is not in the public internet, and this installation calls no others")
    return text.rstrip("/")


def _wrong(what: str) -> InvalidInput:
    return InvalidInput(f"baseUrl {what}.", ("baseUrl",))


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_public(address: _Address) -> bool:
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not _within(address, _NOT_PUBLIC)


def _within(address: _Address, networks: tuple[_Network, ...]) -> bool:
    # A zone makes no other address of it, but one that is in no network.
    plain = IPv6Address(int(address)) if address.version == 6 else address
    return any(plain in network for network in networks)
