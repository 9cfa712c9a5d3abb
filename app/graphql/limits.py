"""Limits of the protocol, said in serverInfo."""

SUBSCRIPTIONS_PER_SOCKET = 20
CONNECTION_INIT_SECONDS = 10
