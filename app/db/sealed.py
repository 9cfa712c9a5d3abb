"""Every sealed column of the database: what `bizq keys rotate` walks. A column that is not listed keeps its old key."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """`key` is the UUID column that names the row, `index` the blind index of what is sealed, where it has one."""

    table: str
    column: str
    key: str = "id"
    index: str | None = None

    @property
    def place(self) -> str:
        """What the vault binds its values to."""
        return f"{self.table}.{self.column}"


USER_EMAIL = SealedColumn("users", "email", index="email_index")
USER_NAME = SealedColumn("users", "name")
INVITATION_EMAIL = SealedColumn("invitations", "email", index="email_index")

TOTP_SECRET = SealedColumn("totp_factors", "secret", key="user_id")
SSO_CLIENT_SECRET = SealedColumn("sso_connections", "client_secret")
PROVIDER_KEY = SealedColumn("provider_connections", "api_key")

SEALED = (
    USER_EMAIL,
    USER_NAME,
    INVITATION_EMAIL,
    TOTP_SECRET,
    SSO_CLIENT_SECRET,
    PROVIDER_KEY,
)
