"""The demo companies: workspaces with their people and workers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from app.models import Account, LedgerKind, WorkerKind
from app.principal import Role
from app.services.account.api_keys import NewKey, generate
from app.services.routing.configured import DEFAULT_MODELS
from app.services.seed.identity import BEGINNING, chance, row_id

_CREDIT = 1_000_000
_NAMES = (
    "Alder",
    "Birch",
    "Cobalt",
    "Dune",
    "Ember",
    "Fjord",
    "Granite",
    "Harbor",
    "Indigo",
    "Juniper",
    "Kestrel",
    "Lumen",
)
_TRADES = (
    "Outfitters",
    "Foods",
    "Logistics",
    "Dental",
    "Books",
    "Insurance",
    "Bikes",
    "Travel",
    "Software",
    "Clinics",
    "Energy",
)
_FIRST = (
    "Aisha",
    "Bruno",
    "Carla",
    "Daniel",
    "Eva",
    "Felix",
    "Gita",
    "Hugo",
    "Ines",
    "Jamal",
    "Kira",
    "Liam",
    "Mina",
    "Noah",
)
_LAST = (
    "Adler",
    "Brandt",
    "Costa",
    "Dahl",
    "Evans",
    "Fischer",
    "Garcia",
    "Huang",
    "Ito",
    "Jansen",
    "Khan",
    "Lopez",
    "Meyer",
)
_JOBS = (
    ("Support desk", "support", "refunds"),
    ("Copy editor", "writing", "english"),
    ("Back office", "invoices", "data entry"),
)
_MODELS = (("openai", "Fast writer"), ("anthropic", "Careful writer"), ("local", "House model"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Company:
    """Rows by table, in the order in which they can be inserted, and what tasks refer to."""

    workspace_id: UUID
    name: str
    slug: str
    user_ids: tuple[UUID, ...]
    workers: tuple[tuple[UUID, str], ...]
    key: NewKey
    rows: dict[str, list[dict[str, Any]]]


class _Counters:
    """Ids of a set: each table counts for itself."""

    def __init__(self, set_number: int) -> None:
        self._set_number = set_number
        self._next: dict[str, int] = {}

    def id(self, table: str, created_at: datetime) -> UUID:
        counter = self._next[table] = self._next.get(table, 0) + 1
        return row_id(created_at, self._set_number, counter)


def found(set_number: int, count: int) -> list[Company]:
    """The companies of a set. Their people have no password; the secrets of their API keys are new every time."""
    choices, counters = chance(set_number, "companies"), _Counters(set_number)
    return [_company(choices, counters, set_number, index) for index in range(count)]


def _company(choices: Random, counters: _Counters, set_number: int, index: int) -> Company:
    founded = BEGINNING - timedelta(days=1) + timedelta(minutes=index)
    round_, place = divmod(index, len(_NAMES) * len(_TRADES))
    # Steps of 1 in both lists meet every pair once, as their lengths have no common divisor.
    name = f"{_NAMES[place % len(_NAMES)]} {_TRADES[place % len(_TRADES)]}{f' {round_ + 1}' if round_ else ''}"
    slug = f"seed{set_number}-{index + 1}-{name.lower().replace(' ', '-')}"
    workspace_id = counters.id("workspaces", founded)
    users = [_user(choices, counters, slug, founded, number) for number in range(choices.randint(2, 6))]
    roles = [Role.OWNER, Role.ADMIN, *[Role.MEMBER] * (len(users) - 2)]
    workers = _workers(counters, workspace_id, founded)
    key = generate()
    granted = choices.randrange(50, 5_000) * _CREDIT
    workspace = {
        "id": workspace_id, "name": name, "slug": slug, "owner_id": users[0]["id"], "plan": "SCALE",
        "credits_micros": granted, "promo_micros": -granted, "topped_up_micros": granted, "ledger_seq": 1,
        "created_at": founded,
    }  # fmt: skip
    grant = {
        "workspace_id": workspace_id, "seq": 1, "kind": LedgerKind.GRANT, "debit": Account.PROMO,
        "credit": Account.AVAILABLE, "amount_micros": granted, "available_micros": granted, "reserved_micros": 0,
        "reason": "demo data", "created_at": founded,
    }  # fmt: skip
    api_key = {
        "id": counters.id("api_keys", founded), "workspace_id": workspace_id, "creator_id": users[0]["id"],
        "name": "seed", "prefix": key.prefix, "secret_hash": key.hash, "role": Role.OWNER, "created_at": founded,
    }  # fmt: skip
    memberships = [
        {"workspace_id": workspace_id, "user_id": user["id"], "role": role, "created_at": founded}
        for user, role in zip(users, roles, strict=True)
    ]
    return Company(
        workspace_id=workspace_id,
        name=name,
        slug=slug,
        user_ids=tuple(user["id"] for user in users),
        workers=tuple((row["id"], row["provider"]) for row in workers if row["kind"] == WorkerKind.AI),
        key=key,
        rows={
            "users": users,
            "workspaces": [workspace],
            "ledger_entries": [grant],
            "memberships": memberships,
            "api_keys": [api_key],
            "workers": workers,
        },
    )


def _user(choices: Random, counters: _Counters, slug: str, founded: datetime, number: int) -> dict[str, Any]:
    first, last = choices.choice(_FIRST), choices.choice(_LAST)
    email = f"{first}.{last}.{number + 1}@{slug}.example".lower()
    return {"id": counters.id("users", founded), "email": email, "name": f"{first} {last}", "created_at": founded}


def _workers(counters: _Counters, workspace_id: UUID, founded: datetime) -> list[dict[str, Any]]:
    common = {"workspace_id": workspace_id, "created_at": founded}
    models = [
        {
            **common,
            "id": counters.id("workers", founded),
            "name": name,
            "kind": WorkerKind.AI,
            "provider": provider,
            "model": DEFAULT_MODELS[provider],
            "capabilities": ["text"],
            "skills": [],
        }
        for provider, name in _MODELS
    ]
    people = [
        {
            **common,
            "id": counters.id("workers", founded),
            "name": name,
            "kind": WorkerKind.HUMAN,
            "provider": None,
            "model": None,
            "capabilities": ["text"],
            "skills": skills,
        }
        for name, *skills in _JOBS
    ]
    return models + people
