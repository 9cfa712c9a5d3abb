"""graphql-core's messages without what the client sent: it knows that, and it may be a password beside a typo.

Clients report the errors that they get to third parties, with all that is in them.
"""

import re

from graphql import GraphQLError, GraphQLSyntaxError

# A value in a list of thousands, say, would be in each of their errors.
LONGEST_MESSAGE = 1_000
_VALUE = re.compile(r"(?:[,;] found|\.? Found): .*|(cannot represent [^:]{0,60}): .*", re.DOTALL)
# Said also where suggestions are turned off.
_SUBFIELDS = re.compile(r" Did you mean '\w+ { \.\.\. }'\?$")
_STRING = re.compile(r"found (String|BlockString) .*", re.DOTALL)


def without_values(error: GraphQLError) -> str:
    """The message of an error that graphql-core found in a document or its variables."""
    if isinstance(error, GraphQLSyntaxError):
        message = _STRING.sub(r"found \1.", error.message)
    else:
        message = _SUBFIELDS.sub("", _VALUE.sub(_end, error.message))
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"


def _end(match: re.Match[str]) -> str:
    # A suggestion has ended its sentence already.
    return "" if match.string[: match.start()].endswith("?") else f"{match[1] or ''}."
