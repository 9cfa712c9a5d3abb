"""Limits of the protocol, said in serverInfo."""

SUBSCRIPTIONS_PER_SOCKET = 20
CONNECTION_INIT_SECONDS = 10
# Of fields that are selected more than once, in units of graphql-core: two for each pair, with what is below them.
MAX_COMPARISONS = 40_000
