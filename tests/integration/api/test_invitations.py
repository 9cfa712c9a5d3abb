"""Invitations: for one address, once, for a week; nobody who reads the database learns whom or how."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.principal import Role
from app.services.workspace import invitations
from tests.integration.api.accounts import PASSWORD, SIGN_UP, new_email
from tests.integration.api.answers import refusals
from tests.integration.api.people import Colleague, People
from tests.integration.api.workspaces import (
    ACCEPT,
    CANCEL_INVITATION,
    INVITATIONS,
    INVITE,
    VIEWER,
)
from tests.integration.graphql_client import Gql

Ask = Callable[..., Awaitable[Any]]
GONE = [("INVALID_INPUT", ["token"])]


@pytest.fixture
def ask(http: httpx.AsyncClient, api: str) -> Ask:
    """The only field's value."""

    async def send(caller: Colleague | None, document: str, **variables: Any) -> Any:
        (value,) = (await Gql(http, api, caller.token if caller else None)(document, **variables)).values()
        return value

    return send


@pytest.fixture
async def owner(people: People) -> Colleague:
    return (await people.founder())[1]


@pytest.fixture
async def guest(people: People) -> Colleague:
    return await people.person()


async def invite(ask: Ask, owner: Colleague, email: str, role: str = "MEMBER") -> Any:
    invited = await ask(owner, INVITE, email=email, role=role)
    assert invited["errors"] == []
    return invited


async def test_invitation_shows_whom_it_is_for_and_its_token_once(ask: Ask, owner: Colleague) -> None:
    invited = await invite(ask, owner, "Ann@Example.com", "ADMIN")

    shown = invited["invitation"]
    assert (shown["email"], shown["role"]) == ("ann@example.com", "ADMIN")
    lasts = datetime.fromisoformat(shown["expiresAt"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < lasts <= timedelta(days=7)
    assert invited["token"].startswith("bzi_")
    (listed,) = (await ask(owner, INVITATIONS))["nodes"]
    assert listed == {"id": shown["id"], "email": "ann@example.com", "role": "ADMIN"}


async def test_database_holds_neither_address_nor_token(ask: Ask, owner: Colleague, owner_engine: AsyncEngine) -> None:
    email = new_email()
    invited = await invite(ask, owner, email)

    async with owner_engine.connect() as connection:
        rows = (await connection.execute(text("SELECT t::text FROM invitations t"))).scalars().all()
    plain = "".join(rows) + "".join(bytes.fromhex(part).decode("latin-1") for row in rows for part in hexed(row))

    assert rows
    assert email not in plain
    assert invited["token"] not in plain


def hexed(row: str) -> list[str]:
    return [part.strip('")(').removeprefix("\\\\x") for part in row.split(",") if "\\\\x" in part]


async def test_invited_person_joins_once(ask: Ask, owner: Colleague, guest: Colleague) -> None:
    token = (await invite(ask, owner, guest.email, "VIEWER"))["token"]

    joined = await ask(guest, ACCEPT, key=token)
    again = await ask(guest, ACCEPT, key=token)

    assert joined["errors"] == []
    assert joined["workspace"]["owner"] == {"id": owner.id}
    assert refusals(again) == GONE
    assert token not in str(again)
    roles = {member["user"]["id"]: member["role"] for member in (await ask_members(ask, owner))}
    assert roles == {owner.id: "OWNER", guest.id: "VIEWER"}
    assert (await ask(owner, INVITATIONS))["nodes"] == []


async def ask_members(ask: Ask, owner: Colleague) -> Any:
    return (await ask(owner, "{ members { nodes { role user { id } } } }"))["nodes"]


async def test_of_twenty_parallel_uses_one_joins(ask: Ask, owner: Colleague, guest: Colleague) -> None:
    token = (await invite(ask, owner, guest.email))["token"]

    answers = await asyncio.gather(*(ask(guest, ACCEPT, key=token) for _ in range(20)))

    assert sorted(refusals(answer) for answer in answers) == [[], *[GONE] * 19]


async def test_token_is_of_no_use_to_another_address(ask: Ask, owner: Colleague, people: People) -> None:
    token = (await invite(ask, owner, new_email()))["token"]
    thief = await people.person()

    refused = await ask(thief, ACCEPT, key=token)

    assert refusals(refused) == GONE
    assert (await ask(thief, VIEWER))["workspaces"] == []
    assert len((await ask(owner, INVITATIONS))["nodes"]) == 1


async def test_canceled_replaced_and_expired_tokens_are_all_gone(
    ask: Ask, owner: Colleague, guest: Colleague, owner_engine: AsyncEngine
) -> None:
    canceled = await invite(ask, owner, guest.email)
    await ask(owner, CANCEL_INVITATION, id=canceled["invitation"]["id"])
    replaced = await invite(ask, owner, guest.email, "ADMIN")
    expired = await invite(ask, owner, guest.email, "VIEWER")
    listed = (await ask(owner, INVITATIONS))["nodes"]
    async with owner_engine.begin() as connection:
        key = ids.decode(ids.INVITATION, expired["invitation"]["id"])
        await connection.execute(text("UPDATE invitations SET expires_at = now() WHERE id = :id"), {"id": key})

    for each in (canceled, replaced, expired, {"token": "bzi_nothing"}, {"token": "\0"}):
        assert refusals(await ask(guest, ACCEPT, key=each["token"])) == GONE
    assert [found["role"] for found in listed] == ["VIEWER"]
    assert (await ask(guest, VIEWER))["workspaces"] == []
    assert (await ask(owner, INVITATIONS))["nodes"] == []


async def test_somebody_elses_invitation_cannot_be_canceled(ask: Ask, owner: Colleague, people: People) -> None:
    _, stranger = await people.founder()
    theirs = (await invite(ask, stranger, new_email()))["invitation"]["id"]

    foreign = await ask(owner, CANCEL_INVITATION, id=theirs)
    unknown = await ask(owner, CANCEL_INVITATION, id="inv_" + "0" * 26)

    assert refusals(foreign) == refusals(unknown) == [("NOT_FOUND", ["id"])]
    assert len((await ask(stranger, INVITATIONS))["nodes"]) == 1


async def test_member_is_not_invited_again(ask: Ask, people: People) -> None:
    workspace_id, owner = await people.founder()
    member = await people.member(workspace_id, Role.MEMBER)

    refused = await ask(owner, INVITE, email=member.email.upper(), role="ADMIN")

    assert refusals(refused) == [("CONFLICT", ["input", "email"])]
    assert (await ask(owner, INVITATIONS))["nodes"] == []


async def test_who_became_a_member_meanwhile_keeps_their_role(ask: Ask, people: People) -> None:
    workspace_id, owner = await people.founder()
    guest = await people.person()
    token = (await invite(ask, owner, guest.email, "ADMIN"))["token"]
    await people.add(workspace_id, guest, Role.VIEWER)

    assert (await ask(guest, ACCEPT, key=token))["errors"] == []

    assert (await ask(guest, VIEWER))["role"] == "VIEWER"
    assert (await ask(owner, INVITATIONS))["nodes"] == []
    log = await ask(owner, "{ auditLog(first: 50) { nodes { action } } }")
    assert "member.join" not in {entry["action"] for entry in log["nodes"]}


@pytest.mark.parametrize("email", ["", "x", "a@b", "a@exa mple.com", "\0@example.com"])
async def test_what_is_no_address_is_refused(ask: Ask, owner: Colleague, email: str) -> None:
    refused = await ask(owner, INVITE, email=email, role="MEMBER")

    assert refusals(refused) == [("INVALID_INPUT", ["input", "email"])]
    assert (await ask(owner, INVITATIONS))["nodes"] == []


async def test_there_is_a_limit_to_open_invitations(
    ask: Ask, owner: Colleague, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "MAX_OPEN", 2)
    again = new_email()
    for email in (new_email(), again):
        await invite(ask, owner, email)

    refused = await ask(owner, INVITE, email=new_email(), role="MEMBER")

    assert refusals(refused) == [("LIMIT_EXCEEDED", None)]
    await invite(ask, owner, again)
    assert len((await ask(owner, INVITATIONS))["nodes"]) == 2


async def test_who_signs_up_with_an_invitation_joins_and_gets_no_workspace_of_their_own(
    ask: Ask, owner: Colleague
) -> None:
    email = new_email()
    token = (await invite(ask, owner, email, "ADMIN"))["token"]
    document = SIGN_UP.replace("user { id }", "user { id } workspace { id owner { id } }")
    account = {"email": email.upper(), "password": PASSWORD, "name": "Ann", "invitationToken": token}

    signed_up = await ask(None, document, input=account)

    assert signed_up["errors"] == []
    assert signed_up["workspace"]["owner"] == {"id": owner.id}
    me = Colleague(UUID(int=0), email, signed_up["accessToken"])
    viewer = await ask(me, VIEWER)
    assert viewer["role"] == "ADMIN"
    assert viewer["workspaces"] == [{"id": signed_up["workspace"]["id"], "owner": {"id": owner.id}}]


@pytest.mark.parametrize("wrong", ["token", "address", "workspaceName"])
async def test_sign_up_with_a_wrong_invitation_makes_no_account(ask: Ask, owner: Colleague, wrong: str) -> None:
    email = new_email()
    token = (await invite(ask, owner, email if wrong != "address" else new_email()))["token"]
    account = {"email": email, "password": PASSWORD, "name": "Ann", "invitationToken": token}
    account |= {"token": {"invitationToken": "bzi_x"}, "address": {}, "workspaceName": {"workspaceName": "Own"}}[wrong]

    refused = await ask(None, SIGN_UP, input=account)

    assert (
        refusals(refused)
        == {
            "token": [("INVALID_INPUT", ["input", "invitationToken"])],
            "address": [("INVALID_INPUT", ["input", "invitationToken"])],
            "workspaceName": [("INVALID_INPUT", ["input", "workspaceName"])],
        }[wrong]
    )
    later = await ask(None, SIGN_UP, input={"email": email, "password": PASSWORD, "name": "Ann"})
    assert later["errors"] == []


async def test_expired_invitations_are_cleared_out_and_no_others(
    ask: Ask, owner: Colleague, owner_engine: AsyncEngine, engine: AsyncEngine
) -> None:
    old, live = [await invite(ask, owner, new_email()) for _ in range(2)]
    key = {"id": ids.decode(ids.INVITATION, old["invitation"]["id"])}
    async with owner_engine.begin() as connection:
        await connection.execute(text("UPDATE invitations SET expires_at = now() WHERE id = :id"), key)

    await invitations.clear_out(engine)

    async with owner_engine.connect() as connection:
        left = await connection.execute(text("SELECT id FROM invitations WHERE id = :id"), key)
        assert left.first() is None
    assert [found["id"] for found in (await ask(owner, INVITATIONS))["nodes"]] == [live["invitation"]["id"]]
