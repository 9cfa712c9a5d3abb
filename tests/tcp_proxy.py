"""A relay on loopback between the service and one of its servers, which can break every connection at once."""

import asyncio
import contextlib

from app.embedded.port import LOOPBACK

READ_BYTES = 65_536


class TcpProxy:
    """Listens on a port of its own, which stays the same while the server behind it dies and returns."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._relay, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self.drop_all()
            await self._server.wait_closed()

    def drop_all(self) -> int:
        """Break all connections, what is under way in them is lost. Returns how many there were."""
        dropped = len(self._open) // 2
        for writer in self._open:
            writer.transport.abort()
        return dropped

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self._target_port)
        except OSError:
            # A client that connects while the server is away is turned away, as by the server's machine.
            writer.transport.abort()
            return
        both = {writer, server_writer}
        self._open |= both
        try:
            await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))
        finally:
            for each in both:
                each.transport.abort()
            self._open -= both


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until either side closes; then the other side is closed too, as neither protocol half-closes."""
    with contextlib.suppress(OSError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
