"""Free and taken ports on loopback."""

import secrets
import socket

LOOPBACK = "127.0.0.1"
# Below the range of outgoing connections (from 32768 on Linux, 49152 on macOS): clients that reconnect to a dead
# server would sooner or later be given its port as their own, and it could not come back.
_FIRST, _COUNT = 20_000, 12_000


def free_port() -> int:
    while is_taken(port := _FIRST + secrets.randbelow(_COUNT)):
        pass
    return port


def is_taken(port: int, host: str = LOOPBACK) -> bool:
    """Whether something listens there, or may not be replaced there yet."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
