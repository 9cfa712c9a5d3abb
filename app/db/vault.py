"""Columns that nobody who reads the database or a backup of it may read: sealed with AES-256-GCM.

A sealed value is 4 bytes that name the key, 12 of nonce, then the ciphertext with its tag. Its place (table, column and
row) is authenticated with it, so a value that is copied elsewhere does not open (NIST SP 800-38D; RFC 5116). Nonces are
random, so one key seals at most 2**32 values (section 8.3 there). How long a text is, and an older value that is put
back into its own place, are not hidden.

What is looked up by is found by its blind index: an HMAC of the place and the text, under a key of its own. Both keys
come from the one in the ring by HKDF (RFC 5869).
"""

import hashlib
import hmac
import os
from collections.abc import Sequence
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import InvalidInput

KEY_BYTES = 32
# Of a sealed value: so many of its first bytes say which key it is sealed with.
ID_BYTES = 4
_NONCE_BYTES = 12


class Unreadable(Exception):
    """A sealed value does not open: its key is not in the ring, or it was changed or moved."""


class Vault:
    """`keys` are 32 random bytes each: the first seals, every one opens. `place` is such as `users.email`.

    Raises InvalidInput for two keys with one name, of which one would open nothing.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        ring = [_Key(key) for key in dict.fromkeys(keys)]
        self._current = ring[0]
        self._ring = {key.id: key for key in ring}
        if len(self._ring) < len(ring):
            raise InvalidInput(
                f"Two keys of BIZQ_ENCRYPTION_KEY share the first {ID_BYTES} bytes of their SHA-256, which name a key. "
                "Make another: bizq keys new."
            )

    def seal(self, place: str, row: UUID, text: str) -> bytes:
        return self._current.id + self._current.seal(text.encode(), _context(place, row))

    def open(self, place: str, row: UUID, sealed: bytes) -> str:
        """Raises Unreadable."""
        key = self._ring.get(sealed[:ID_BYTES])
        if key is None:
            raise Unreadable(f"{place} of {row} is sealed with the key {sealed[:ID_BYTES].hex()}, which is not known.")
        try:
            return key.open(sealed[ID_BYTES:], _context(place, row)).decode()
        except (InvalidTag, ValueError):
            raise Unreadable(f"{place} of {row} is not what was sealed there.") from None

    def index(self, place: str, text: str) -> bytes:
        """What a row that is written now is found by: 32 bytes."""
        return self._current.index(place, text)

    def indexes(self, place: str, text: str) -> list[bytes]:
        """What rows may be found by that were written under any key of the ring; the first is `index`."""
        return [key.index(place, text) for key in self._ring.values()]

    def knows(self, key_id: bytes) -> bool:
        return key_id in self._ring

    def is_current(self, sealed: bytes) -> bool:
        """Whether it was sealed with the first key."""
        return sealed[:ID_BYTES] == self._current.id


class _Key:
    def __init__(self, key: bytes) -> None:
        self.id = hashlib.sha256(key).digest()[:ID_BYTES]
        self._cipher = AESGCM(_derived(key, b"bizq seal"))
        self._index_key = _derived(key, b"bizq blind index")

    def seal(self, content: bytes, context: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)

    def index(self, place: str, text: str) -> bytes:
        # Whoever asks for what cannot be stored finds nothing; that is no failure.
        return hmac.digest(self._index_key, f"{place}\0{text}".encode(errors="surrogatepass"), "sha256")


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)


def _context(place: str, row: UUID) -> bytes:
    return f"{place}\0{row}".encode()
