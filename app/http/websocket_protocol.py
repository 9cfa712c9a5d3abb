"""uvicorn's WebSocket protocol, for clients that do not read as fast as others write."""

from asyncio.transports import BaseTransport

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

# What may wait in this process for one client. Who is slower is given the rest from the log, at their own pace.
WAITING_BYTES = 8_192


class WebSocketProtocol(WebSocketsSansIOProtocol):
    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=WAITING_BYTES)

    def keepalive_timeout(self) -> None:
        """A client that answers no ping: closing would wait for it to take what waits, for ever."""
        super().keepalive_timeout()
        self.transport.abort()
