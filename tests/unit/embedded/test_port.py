import socket

from app.embedded.port import LOOPBACK, free_port, is_taken

FIRST_OUTGOING_PORT_OF_LINUX = 32_768


def test_a_server_gets_no_port_that_an_outgoing_connection_could_be_given() -> None:
    assert all(1024 <= free_port() < FIRST_OUTGOING_PORT_OF_LINUX for _ in range(50))


def test_a_port_is_taken_while_something_listens_there() -> None:
    port = free_port()

    with socket.create_server((LOOPBACK, port)):
        assert is_taken(port)

    assert not is_taken(port)
