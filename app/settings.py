"""Every setting of the service, read once from the environment. `.env.example` documents each."""

import base64
import difflib
import ipaddress
import json
import os
import re
from collections.abc import Mapping
from decimal import Decimal
from email.utils import parseaddr
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from dotenv import load_dotenv
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.errors import AppError, ErrorCode

OWN_PREFIX = "BIZQ_"
KEY_BYTES = 32
REPLICATE_WEBHOOK_PATH = "/webhooks/in/replicate"
# Standard Webhooks: a key has 24 to 64 bytes.
LEAST_WEBHOOK_KEY_BYTES = 24
# In the place of a mail server: mails go to standard error.
CONSOLE = "console:"
# Together these keep the points of a workspace within GraphQL's Int, and with the longest window token buckets below
# 2^53, so that Redis' Lua counts exactly.
MAX_RATE_POINTS = 1_000_000
MAX_PLAN_FACTOR = 400
PROVIDERS = ("openai", "anthropic", "huggingface", "replicate", "local")
# Calls of a provider, at once or in a minute.
MAX_CEILING = 1_000_000
_ORIGIN = re.compile(r"(?!http://[^/]*:80$|https://[^/]*:443$)[a-z][a-z0-9+.-]*://[^/?#@\sA-Z]+")


class SettingsError(AppError):
    """A variable is missing, wrong or unknown. The message names it and says what would be right."""

    code = ErrorCode.INVALID_INPUT


def secure_url(text: str) -> str:
    """The same text. Raises ValueError where it is no https address, or http elsewhere than on this machine."""
    parts = urlsplit(text)
    if parts.scheme == "https" and parts.hostname:
        return text
    if parts.scheme == "http" and parts.hostname and _is_loopback(parts.hostname):
        return text
    raise ValueError("is not an address that begins with https:// (http:// only on this machine)")


def _numbers(text: str, most: int, example: str) -> dict[str, int]:
    """NAME=NUMBER,… with numbers from 1 to `most`. Raises ValueError that shows the example."""
    pairs = [part.split("=") for part in text.split(",")]
    if not all(
        len(pair) == 2 and pair[0].strip() and pair[1].strip().isdecimal() and 1 <= int(pair[1]) <= most
        for pair in pairs
    ):
        raise ValueError(f"is not like {example}")
    return {pair[0].strip(): int(pair[1]) for pair in pairs}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class TokenIssuer(BaseModel):
    """Somebody else whose access tokens are accepted: those with this `iss` and `aud`, of a key at `jwks_url`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern="^[a-z0-9-]{1,40}$")
    issuer: str = Field(min_length=1, max_length=500)
    jwks_url: str
    audience: str = Field(min_length=1, max_length=500)
    algorithms: tuple[
        Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"], ...
    ] = Field(min_length=1)

    @field_validator("jwks_url")
    @classmethod
    def _secure(cls, value: str) -> str:
        return secure_url(value)


class Settings(BaseSettings):
    """Field names are the variables' names in lower case; times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    bizq_host: str = "127.0.0.1"
    bizq_port: int = Field(8000, ge=1, le=65535)
    bizq_data_dir: Path = Path(".bizq")
    bizq_log_format: str = Field("auto", pattern="^(auto|json|console)$")
    bizq_log_level: str = Field("info", pattern="^(debug|info|warning|error)$")

    database_url: SecretStr | None = None
    database_owner_url: SecretStr | None = None
    bizq_database_pool: int = Field(10, ge=2, le=200)
    redis_url: SecretStr | None = None

    bizq_token_key: SecretStr | None = None
    bizq_encryption_key: SecretStr | None = None
    bizq_token_seconds: int = Field(900, ge=1, le=86_400)
    bizq_session_idle_days: int = Field(30, ge=1, le=365)
    bizq_session_days: int = Field(90, ge=1, le=3650)
    bizq_token_issuers: Annotated[tuple[TokenIssuer, ...], NoDecode] = ()
    bizq_api_url: str | None = None
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    bizq_trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ("127.0.0.1", "::1")

    smtp_url: SecretStr | None = None
    mail_from: str | None = None
    bizq_public_url: str | None = None
    bizq_require_verified_email: bool = False

    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    openai_model: str | None = None
    anthropic_api_key: SecretStr | None = None
    anthropic_base_url: str | None = None
    anthropic_model: str | None = None
    huggingface_api_key: SecretStr | None = None
    huggingface_base_url: str | None = None
    huggingface_model: str | None = None
    replicate_api_token: SecretStr | None = None
    replicate_base_url: str | None = None
    replicate_model: str | None = None
    replicate_webhook_secret: SecretStr | None = None
    local_base_url: str | None = None
    local_model: str | None = None

    bizq_allow_private_endpoints: bool = False

    bizq_sign_up_credits: Decimal = Field(Decimal(5), ge=0, le=1_000_000, decimal_places=6)

    bizq_worker_concurrency: int = Field(64, ge=1, le=1000)
    bizq_workspace_concurrency: int = Field(10, ge=1, le=1000)
    bizq_lease_seconds: float = Field(10.0, ge=1, le=300)
    bizq_drain_seconds: float = Field(25.0, ge=0, le=300)

    # A cursor can be resumed for three days, so events stay longer than that.
    bizq_events_days: int = Field(30, ge=4, le=3650)
    bizq_attempts_days: int = Field(90, ge=4, le=3650)

    bizq_max_body_bytes: int = Field(262_144, ge=1024, le=16_777_216)
    bizq_max_input_bytes: int = Field(131_072, ge=1024, le=1_048_576)
    bizq_max_query_tokens: int = Field(2_000, ge=100, le=20_000)
    bizq_max_query_depth: int = Field(12, ge=4, le=50)
    bizq_max_query_aliases: int = Field(30, ge=0, le=1_000)
    bizq_max_query_spreads: int = Field(200, ge=0, le=10_000)
    bizq_max_query_directives: int = Field(20, ge=0, le=1_000)
    bizq_max_query_cost: int = Field(1_000, ge=100, le=100_000)
    bizq_max_execution_seconds: float = Field(10.0, ge=1, le=60)
    bizq_trusted_only: bool = False
    bizq_suggestions: bool = False
    bizq_compiled_execution: bool = True

    bizq_provider_concurrency: Annotated[Mapping[str, int], NoDecode] = {}
    bizq_provider_rate: Annotated[Mapping[str, int], NoDecode] = {}

    bizq_rate_points: int = Field(100, ge=0, le=MAX_RATE_POINTS)
    bizq_rate_seconds: int = Field(60, ge=1, le=600)
    bizq_rate_plans: Annotated[Mapping[str, int], NoDecode] = {"FREE": 1, "PRO": 10, "SCALE": 100}
    bizq_rate_anonymous_points: int = Field(1_000, ge=0, le=MAX_RATE_POINTS)
    bizq_sign_ups_per_hour: int = Field(10, ge=0, le=MAX_RATE_POINTS)
    bizq_sign_ins_per_minute: int = Field(20, ge=0, le=MAX_RATE_POINTS)
    bizq_refreshes_per_minute: int = Field(60, ge=0, le=MAX_RATE_POINTS)

    @field_validator("allowed_origins", "bizq_trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("bizq_rate_plans", mode="before")
    @classmethod
    def _plans(cls, value: object) -> object:
        example = f"FREE=1,PRO=10,SCALE=100, with factors from 1 to {MAX_PLAN_FACTOR}"
        return _numbers(value, MAX_PLAN_FACTOR, example) if isinstance(value, str) else value

    @field_validator("bizq_provider_concurrency", "bizq_provider_rate", mode="before")
    @classmethod
    def _ceilings(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        example = f"openai=20,anthropic=10, with numbers from 1 to {MAX_CEILING}"
        ceilings = _numbers(value, MAX_CEILING, example) if value.strip() else {}
        unknown = sorted(ceilings.keys() - set(PROVIDERS))
        if unknown:
            raise ValueError(f"names {unknown[0]}, which is none of {', '.join(PROVIDERS)}")
        return ceilings

    @field_validator("bizq_token_issuers", mode="before")
    @classmethod
    def _issuers(cls, value: object) -> object:
        return _token_issuers(value) if isinstance(value, str) else value

    @field_validator("bizq_api_url")
    @classmethod
    def _api_address(cls, value: str | None) -> str | None:
        if value is not None and not set(secure_url(value)).isdisjoint("?# "):
            raise ValueError("is an address without ? and #, such as https://api.example.com")
        return value.rstrip("/") if value is not None else None

    @field_validator("bizq_token_key", "bizq_encryption_key")
    @classmethod
    def _strong_keys(cls, value: SecretStr | None) -> SecretStr | None:
        # Half as many different bytes: random ones have 26 to 32.
        if value is not None and not all(
            len(key) == KEY_BYTES and len(set(key)) > KEY_BYTES // 2 for key in _keys(value)
        ):
            raise ValueError(
                f"must be {KEY_BYTES} random bytes in base64 (`bizq keys new`), or several such with commas"
            )
        return value

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        return _address(value, ("postgres", "postgresql"), "postgresql://user:password@host:5432/database")

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        return _address(value, ("redis", "rediss", "unix"), "redis://host:6379/0")

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value() == CONSOLE:
            return value
        return _address(value, ("smtp", "smtps"), "smtps://user:password@host:465 or smtp://host:587?starttls")

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, value: str | None) -> str | None:
        if value is not None and ("@" not in parseaddr(value)[1] or not value.isprintable()):
            raise ValueError('is not an address such as no-reply@example.com or "BizQ <no-reply@example.com>"')
        return value

    @field_validator("bizq_public_url")
    @classmethod
    def _public(cls, value: str | None) -> str | None:
        _address(SecretStr(value) if value is not None else None, ("http", "https"), "https://app.example.com")
        if value is not None and not set(value).isdisjoint("?# "):
            raise ValueError("is an address without ? and #: a path such as /reset-password is added to it")
        return value

    @field_validator("replicate_webhook_secret")
    @classmethod
    def _signing(cls, value: SecretStr | None) -> SecretStr | None:
        prefix, _, key = value.get_secret_value().partition("_") if value is not None else ("whsec", "", "")
        if value is not None and (prefix != "whsec" or len(_decoded(key)) < LEAST_WEBHOOK_KEY_BYTES):
            raise ValueError("is not a signing secret such as whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
        return value

    @field_validator(
        "openai_base_url", "anthropic_base_url", "huggingface_base_url", "replicate_base_url", "local_base_url"
    )
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        _address(SecretStr(value) if value is not None else None, ("http", "https"), "https://host/v1")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _named_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in value:
            raise ValueError("name the origins; * cannot be combined with credentials")
        for origin in value:
            # As browsers write it, so that it can be compared with what they send.
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin} is not an origin such as https://app.example.com: scheme and host in lower case, the "
                    "port where it is not the usual one, and no path"
                )
        return value

    @property
    def token_key(self) -> bytes:
        """Signs access tokens."""
        return _keys(_required(self.bizq_token_key, "BIZQ_TOKEN_KEY"))[0]

    @property
    def other_token_keys(self) -> tuple[bytes, ...]:
        """Those whose access tokens are good as well: the next one, or the one before."""
        return _keys(_required(self.bizq_token_key, "BIZQ_TOKEN_KEY"))[1:]

    @property
    def encryption_keys(self) -> tuple[bytes, ...]:
        """Seal what is personal or secret in the database: the first those that are written, each those it wrote."""
        return _keys(_required(self.bizq_encryption_key, "BIZQ_ENCRYPTION_KEY"))

    @property
    def app_database_url(self) -> str:
        return _required(self.database_url, "DATABASE_URL").get_secret_value()

    @property
    def sign_up_micros(self) -> int:
        return int(self.bizq_sign_up_credits * 1_000_000)

    @property
    def owner_database_url(self) -> str:
        return (self.database_owner_url or _required(self.database_url, "DATABASE_URL")).get_secret_value()

    def require_service(self) -> None:
        """Raises SettingsError for what an API process cannot do without."""
        _required(self.database_url, "DATABASE_URL")
        _required(self.redis_url, "REDIS_URL")
        _required(self.bizq_token_key, "BIZQ_TOKEN_KEY")
        _required(self.bizq_encryption_key, "BIZQ_ENCRYPTION_KEY")

    def provider_options(self) -> dict[str, str | None]:
        """What the provider adapters are built from; None or empty means not configured."""
        return {
            "openai_api_key": _plain(self.openai_api_key),
            "openai_base_url": self.openai_base_url,
            "anthropic_api_key": _plain(self.anthropic_api_key),
            "anthropic_base_url": self.anthropic_base_url,
            "huggingface_api_key": _plain(self.huggingface_api_key),
            "huggingface_base_url": self.huggingface_base_url,
            "replicate_api_token": _plain(self.replicate_api_token),
            "replicate_base_url": self.replicate_base_url,
            "replicate_webhook_url": self.replicate_webhook_url,
            "local_base_url": self.local_base_url,
        }

    @property
    def replicate_webhook_url(self) -> str | None:
        """Where Replicate tells that a prediction has ended; None where it could not, or we would not believe it."""
        if self.bizq_api_url is None or self.replicate_webhook_secret is None:
            return None
        # Replicate itself refuses other addresses; a fake of it may be told one of this machine.
        if self.replicate_base_url is None and not self.bizq_api_url.startswith("https://"):
            return None
        return f"{self.bizq_api_url}{REPLICATE_WEBHOOK_PATH}"

    @property
    def mail_server(self) -> str | None:
        """`console:`, the address of an SMTP server, or None: mails are not sent."""
        return _plain(self.smtp_url)

    @property
    def mail_sender(self) -> str:
        """Raises SettingsError where mails could not be sent, or their links would lead nowhere."""
        for value, name in ((self.mail_from, "MAIL_FROM"), (self.bizq_public_url, "BIZQ_PUBLIC_URL")):
            if value is None:
                raise SettingsError(f"{name} is not set, but SMTP_URL is: mails need both.")
        assert self.mail_from is not None
        return self.mail_from

    @property
    def public_url(self) -> str:
        """Of the frontend, which the links in mails lead to; without a slash at its end."""
        if self.bizq_public_url is not None:
            return self.bizq_public_url.rstrip("/")
        host = "localhost" if self.bizq_host in ("0.0.0.0", "::") else self.bizq_host  # noqa: S104  compared only
        return f"http://{f'[{host}]' if ':' in host else host}:{self.bizq_port}"

    @property
    def redis(self) -> str:
        return _required(self.redis_url, "REDIS_URL").get_secret_value()


def _address(value: SecretStr | None, schemes: tuple[str, ...], example: str) -> SecretStr | None:
    """Raises ValueError without showing the value, which may hold a password."""
    if value is not None:
        scheme, _, rest = value.get_secret_value().partition("://")
        if scheme not in schemes or not rest:
            raise ValueError(f"is not an address such as {example}")
    return value


def _token_issuers(text: str) -> tuple[TokenIssuer, ...]:
    """Raises ValueError that names the entry and its field."""
    try:
        entries = json.loads(text)
    except ValueError:
        entries = None
    if not isinstance(entries, list):
        raise ValueError(
            'is not a JSON list such as [{"name":…,"issuer":…,"jwks_url":…,"audience":…,"algorithms":[…]}]'
        )
    issuers = tuple(_token_issuer(number, entry) for number, entry in enumerate(entries, start=1))
    for field in ("name", "issuer"):
        if len({getattr(issuer, field) for issuer in issuers}) < len(issuers):
            raise ValueError(f"has two entries with the same {field}")
    return issuers


def _token_issuer(number: int, entry: object) -> TokenIssuer:
    try:
        return TokenIssuer.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"entry {number}{', ' + field if field else ''}: {message}") from None


def _required(value: SecretStr | None, name: str) -> SecretStr:
    if value is None:
        raise SettingsError(f"{name} is not set. Set it, or start everything at once with `bizq up`.")
    return value


def _plain(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None


def _keys(value: SecretStr) -> tuple[bytes, ...]:
    return tuple(_decoded(part.strip()) for part in value.get_secret_value().split(","))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _refuse_unknown(known: set[str]) -> None:
    for name in sorted(os.environ):
        if name.startswith(OWN_PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{name} is not a setting of BizQ.{hint}")


def read_env_file() -> None:
    """What `.env` sets is as if the shell had set it, and does not go before what the shell sets."""
    load_dotenv(".env")


@lru_cache(maxsize=1)
def load() -> Settings:
    """The settings of this process. Raises SettingsError naming the variable at fault."""
    read_env_file()
    _refuse_unknown({name.upper() for name in Settings.model_fields} | CLIENT_VARIABLES)
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"][:1]).upper()
        raise SettingsError(f"{name + ': ' if name else ''}{first['msg'].removeprefix('Value error, ')}") from None


# Read by the command line itself, not by the service.
CLIENT_VARIABLES = {"BIZQ_URL", "BIZQ_API_KEY", "BIZQ_DEMO_API_KEY"}
