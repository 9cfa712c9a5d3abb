"""API keys: random, recognisable, and only their hash is kept."""

from app.services.account import api_keys


def test_key_is_recognisable_and_its_prefix_tells_little() -> None:
    key = api_keys.generate()

    assert key.secret.startswith("bzq_live_")
    assert key.prefix == key.secret[:13]
    assert len(key.secret) == 9 + 43


def test_hash_is_that_of_the_secret_and_does_not_hold_it() -> None:
    key = api_keys.generate()

    assert key == api_keys.from_secret(key.secret)
    assert key.hash == api_keys.hash_of(key.secret)
    assert len(key.hash) == 32


def test_no_two_keys_are_the_same() -> None:
    assert len({api_keys.generate().secret for _ in range(100)}) == 100
