import base64
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from app.settings import Settings

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PUBLIC = "https://api.example.com"
LOCAL = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"replicate_webhook_secret": SECRET, "bizq_api_url": PUBLIC}, f"{PUBLIC}/webhooks/in/replicate"),
        (
            {"replicate_webhook_secret": SECRET, "bizq_api_url": f"{PUBLIC}/bizq/"},
            f"{PUBLIC}/bizq/webhooks/in/replicate",
        ),
        ({"bizq_api_url": PUBLIC}, None),
        ({"replicate_webhook_secret": SECRET}, None),
        # The vendor refuses it; a fake of the vendor does not.
        ({"replicate_webhook_secret": SECRET, "bizq_api_url": LOCAL}, None),
        (
            {"replicate_webhook_secret": SECRET, "bizq_api_url": LOCAL, "replicate_base_url": "http://127.0.0.1:8900"},
            f"{LOCAL}/webhooks/in/replicate",
        ),
    ],
)
def test_a_webhook_needs_an_address_and_a_secret(given: dict[str, Any], url: str | None) -> None:
    none: dict[str, Any] = {"replicate_webhook_secret": None, "bizq_api_url": None, "replicate_base_url": None}
    settings = Settings(**none | given)

    assert settings.replicate_webhook_url == url
    assert settings.provider_options()["replicate_webhook_url"] == url


@pytest.mark.parametrize(
    "secret",
    [
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_not base64 at all, is it?",
        f"whpk_{SECRET[6:]}",
        base64.b64encode(bytes(32)).decode(),
    ],
)
def test_what_is_no_signing_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValidationError, match="is not a signing secret such as whsec_"):
        Settings(replicate_webhook_secret=SecretStr(secret))
