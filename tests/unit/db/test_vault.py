"""The vault: what it seals opens in its place with its key, and nowhere else."""

import hashlib
import hmac
import timeit
from uuid import UUID

import pytest

from app.db import vault as module
from app.db.vault import ID_BYTES, Unreadable, Vault
from app.errors import InvalidInput

PLACE = "users.email"
ROW = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
OTHER_ROW = UUID("01890a5d-ac96-774b-bcce-b302099a8058")
KEY, OTHER_KEY, THIRD_KEY = (bytes(range(start, start + 32)) for start in (0, 32, 64))
TEXT = "ann@example.com"
# Test case 16 of D. McGrew and J. Viega, "The Galois/Counter Mode of Operation (GCM)", 2005, appendix B.
GCM_KEY = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
GCM_NONCE = bytes.fromhex("cafebabefacedbaddecaf888")
GCM_TEXT = bytes.fromhex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
)
GCM_CONTEXT = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
GCM_SEALED = bytes.fromhex(
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
)
GCM_TAG = bytes.fromhex("76fc6ece0f4e1768cddf8853bb2d551b")


@pytest.fixture
def vault() -> Vault:
    return Vault([KEY])


def derived(key: bytes, purpose: bytes) -> bytes:
    """HKDF-SHA256 by RFC 5869, sections 2.2 and 2.3: no salt, one block."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, purpose + b"\x01", "sha256")


def test_cipher_as_used_gives_the_published_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_derived", lambda key, purpose: GCM_KEY)
    monkeypatch.setattr(module.os, "urandom", lambda size: GCM_NONCE[:size])
    key = module._Key(KEY)

    sealed = key.seal(GCM_TEXT, GCM_CONTEXT)

    assert sealed == GCM_NONCE + GCM_SEALED + GCM_TAG
    assert key.open(sealed, GCM_CONTEXT) == GCM_TEXT


def test_keys_are_derived_one_for_each_purpose(vault: Vault) -> None:
    assert module._derived(KEY, b"bizq seal") == derived(KEY, b"bizq seal")
    index_key = derived(KEY, b"bizq blind index")
    assert vault.index(PLACE, TEXT) == hmac.digest(index_key, f"{PLACE}\0{TEXT}".encode(), "sha256")


def test_what_an_earlier_version_sealed_opens() -> None:
    vault = Vault([bytes(range(32, 64))])
    sealed = bytes.fromhex(
        "72dbb733d53bbfd445f6503586d53868d2d87cd6e151d2a294fdd38bb47342175533448b1c07f84b0ef047e88180cdda38690b49ec0e00"
    )

    assert vault.open(PLACE, ROW, sealed) == "ann.example@example.com"
    assert vault.index(PLACE, "a@b.example").hex() == "0ba862d63f6e4b43c093ac293aa93f8401efffe222cbb5a9f421caf7d95b9eaf"


@pytest.mark.parametrize("text", ["", "a", TEXT, "Zoë 李小龙 🐉", "a\0b", "x" * 100_000])
def test_text_comes_back(vault: Vault, text: str) -> None:
    sealed = vault.seal(PLACE, ROW, text)

    assert vault.open(PLACE, ROW, sealed) == text
    assert len(sealed) == ID_BYTES + 12 + len(text.encode()) + 16


def test_sealing_again_gives_another_value_that_shows_nothing(vault: Vault) -> None:
    sealed = {vault.seal(PLACE, ROW, TEXT) for _ in range(1000)}

    assert len(sealed) == 1000
    assert [value for value in sealed if b"ann" in value or b"example" in value] == []


def test_a_value_changed_anywhere_does_not_open(vault: Vault) -> None:
    sealed = vault.seal(PLACE, ROW, TEXT)

    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Unreadable):
            vault.open(PLACE, ROW, bytes(changed))


@pytest.mark.parametrize("length", range(ID_BYTES + 12 + 16 + len(TEXT)))
def test_a_value_cut_short_does_not_open(vault: Vault, length: int) -> None:
    with pytest.raises(Unreadable):
        vault.open(PLACE, ROW, vault.seal(PLACE, ROW, TEXT)[:length])


@pytest.mark.parametrize(
    ("place", "row"), [(PLACE, OTHER_ROW), ("users.name", ROW), ("invitations.email", ROW), ("users.email\0", ROW)]
)
def test_a_value_moved_elsewhere_does_not_open(vault: Vault, place: str, row: UUID) -> None:
    with pytest.raises(Unreadable, match=f"^{place} of {row} is not what was sealed there.$"):
        vault.open(place, row, vault.seal(PLACE, ROW, TEXT))


def test_a_key_that_is_not_in_the_ring_is_named_and_nothing_of_the_value(vault: Vault) -> None:
    sealed = Vault([OTHER_KEY]).seal(PLACE, ROW, TEXT)

    with pytest.raises(Unreadable) as refused:
        vault.open(PLACE, ROW, sealed)

    name = hashlib.sha256(OTHER_KEY).hexdigest()[:8]
    assert str(refused.value) == f"{PLACE} of {ROW} is sealed with the key {name}, which is not known."


def test_a_key_of_the_same_name_does_not_open_it(vault: Vault) -> None:
    sealed = hashlib.sha256(KEY).digest()[:ID_BYTES] + Vault([OTHER_KEY]).seal(PLACE, ROW, TEXT)[ID_BYTES:]

    with pytest.raises(Unreadable):
        vault.open(PLACE, ROW, sealed)


def test_first_key_seals_and_every_key_opens() -> None:
    old, new = Vault([KEY]), Vault([OTHER_KEY, KEY])
    before, after = old.seal(PLACE, ROW, TEXT), new.seal(PLACE, ROW, TEXT)

    assert (new.open(PLACE, ROW, before), new.open(PLACE, ROW, after)) == (TEXT, TEXT)
    assert (new.is_current(before), new.is_current(after)) == (False, True)
    assert Vault([KEY, OTHER_KEY]).open(PLACE, ROW, after) == TEXT
    with pytest.raises(Unreadable):
        old.open(PLACE, ROW, after)


def test_index_is_another_for_each_place_key_and_text() -> None:
    indexes = {
        Vault([key]).index(place, text)
        for key in (KEY, OTHER_KEY)
        for place in (PLACE, "users.name")
        for text in (TEXT, "ann@example.con", "")
    }

    assert len(indexes) == 12
    assert {len(index) for index in indexes} == {32}


def test_place_and_text_of_an_index_cannot_be_confused(vault: Vault) -> None:
    assert vault.index("a", "b\0c") != vault.index("a", "bc") != vault.index("ab", "c")


def test_indexes_are_those_of_all_keys_the_present_one_first() -> None:
    vault = Vault([OTHER_KEY, KEY, THIRD_KEY])

    assert vault.indexes(PLACE, TEXT) == [Vault([key]).index(PLACE, TEXT) for key in (OTHER_KEY, KEY, THIRD_KEY)]
    assert vault.index(PLACE, TEXT) == vault.indexes(PLACE, TEXT)[0]


def test_looking_up_what_no_column_can_hold_finds_nothing(vault: Vault) -> None:
    assert vault.index(PLACE, "\ud800") != vault.index(PLACE, "\ud801")


def test_a_key_given_twice_is_one() -> None:
    assert len(Vault([KEY, KEY]).indexes(PLACE, TEXT)) == 1


def test_two_keys_with_one_name_are_refused() -> None:
    first, second = (hashlib.sha256(b"key %d" % number).digest() for number in (74824, 124877))
    assert hashlib.sha256(first).digest()[:ID_BYTES] == hashlib.sha256(second).digest()[:ID_BYTES]

    with pytest.raises(InvalidInput, match="Make another: bizq keys new"):
        Vault([first, second])


def test_nothing_of_the_keys_is_shown(vault: Vault) -> None:
    shown = repr(vault) + repr(vars(vault)) + str(module._Key(KEY))

    assert KEY.hex() not in shown
    assert repr(KEY) not in shown


def test_a_value_is_opened_in_microseconds(vault: Vault) -> None:
    sealed = vault.seal(PLACE, ROW, TEXT)

    # Measured: 2 µs.
    assert min(timeit.repeat(lambda: vault.open(PLACE, ROW, sealed), number=100, repeat=5)) / 100 < 100e-6
