"""Public ids: a type prefix and a UUIDv7, written as a TypeID (github.com/jetify-com/typeid, spec 0.3)."""

from uuid import UUID

import uuid_utils.compat

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_SUFFIX_LENGTH = 26
_UUID_BITS = 128

TASK = "task"
WORKSPACE = "ws"
WORKER = "wkr"
TEMPLATE = "tpl"
TEMPLATE_VERSION = "tplv"
USER = "usr"
API_KEY = "key"
INVITATION = "inv"
WAIT = "wait"
SSO_CONNECTION = "sso"
LEDGER_ENTRY = "led"
BUDGET = "bud"
PROVIDER_CONNECTION = "pcn"


def new_id() -> UUID:
    """A UUIDv7: sorts by creation time, so that indexes grow at one end."""
    return uuid_utils.compat.uuid7()


def encode(prefix: str, value: UUID) -> str:
    """`encode("task", uuid)` -> `task_01h455vb4pex5vsknk084sn02q`."""
    number = value.int
    return prefix + "_" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def decode(prefix: str, text: str) -> UUID | None:
    """The UUID behind a public id, or None when the text is not an id of that type."""
    head, _, suffix = text.rpartition("_")
    return _decode_suffix(suffix) if head == prefix else None


def split(text: str) -> tuple[str, UUID] | None:
    """Prefix and UUID of any public id, or None when the text is not one."""
    head, _, suffix = text.rpartition("_")
    value = _decode_suffix(suffix)
    return (head, value) if head and value is not None else None


def _decode_suffix(suffix: str) -> UUID | None:
    if len(suffix) != _SUFFIX_LENGTH:
        return None
    number = 0
    for character in suffix:
        value = _VALUES.get(character)
        if value is None:
            return None
        number = number << 5 | value
    return UUID(int=number) if number >> _UUID_BITS == 0 else None
