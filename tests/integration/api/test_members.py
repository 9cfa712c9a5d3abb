"""Members: roles, removal, leaving, handing over. A workspace always keeps an owner."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.principal import Permission, Role
from app.services.account.authenticate import CACHE_SECONDS
from tests.integration.api.answers import code, refusals
from tests.integration.api.documents import TASK_EVENTS
from tests.integration.api.people import Colleague, People
from tests.integration.api.workspaces import CHANGE_ROLE, INVITE, LEAVE, MEMBERS, REMOVE, TRANSFER
from tests.integration.graphql_client import Gql, connect

LAST_OWNER = [("INVALID_STATE", ["userId"])]
ROLE_OF_KEY = "{ viewer { role } }"
CREATE_KEY = 'mutation { createApiKey(input: {name: "back door"}) { secret errors { code } } }'


class Office:
    """A workspace with its owner; everybody talks to it as themselves."""

    def __init__(self, http: httpx.AsyncClient, url: str, people: People, workspace_id: UUID, owner: Colleague) -> None:
        self._http, self._url = http, url
        self._people = people
        self.workspace_id = workspace_id
        self.owner = owner

    async def hire(self, role: Role) -> Colleague:
        return await self._people.member(self.workspace_id, role)

    async def key(self, creator: Colleague, **more: Any) -> str:
        return await self._people.key(self.workspace_id, creator, **more)

    def gql(self, token: str) -> Gql:
        return Gql(self._http, self._url, token)

    async def ask(self, caller: Colleague | str, document: str, **variables: Any) -> Any:
        """The mutation's payload."""
        token = caller if isinstance(caller, str) else caller.token
        (payload,) = (await self.gql(token)(document, **variables)).values()
        return payload

    async def roles(self, as_seen_by: Colleague) -> dict[str, str]:
        seen = await self.gql(as_seen_by.token)(MEMBERS)
        return {member["user"]["id"]: member["role"] for member in seen["members"]["nodes"]}

    async def owner_of_record(self, as_seen_by: Colleague) -> str:
        owner: str = (await self.gql(as_seen_by.token)(MEMBERS))["workspace"]["owner"]["id"]
        return owner


@pytest.fixture
async def office(http: httpx.AsyncClient, api: str, people: People) -> Office:
    return Office(http, api, people, *await people.founder())


def code_of(response: httpx.Response) -> str:
    """Of the only error, in the payload or, where the caller is known to be out already, at the top."""
    answer = response.json()
    if "errors" in answer:
        (error,) = answer["errors"]
        return str(error["extensions"]["code"])
    (payload,) = answer["data"].values()
    (error,) = payload["errors"]
    return str(error["code"])


async def within_a_second(look: Callable[[], Awaitable[bool]]) -> None:
    """And a little for the request."""
    async with asyncio.timeout(CACHE_SECONDS + 0.5):
        while not await look():  # noqa: ASYNC110  what is waited for tells nobody
            await asyncio.sleep(0.05)


async def test_everybody_sees_their_colleagues_and_their_roles(office: Office) -> None:
    viewer = await office.hire(Role.VIEWER)

    seen = (await office.gql(viewer.token)(MEMBERS))["members"]["nodes"]

    assert [(member["user"], member["role"]) for member in seen] == [
        ({"id": office.owner.id, "email": office.owner.email}, "OWNER"),
        ({"id": viewer.id, "email": viewer.email}, "VIEWER"),
    ]


async def test_another_role_counts_within_a_second(office: Office) -> None:
    member = await office.hire(Role.MEMBER)
    assert await office.ask(member, ROLE_OF_KEY) == {"role": "MEMBER"}

    changed = await office.ask(office.owner, CHANGE_ROLE, id=member.id, role="ADMIN")

    assert changed == {"member": {"role": "ADMIN", "user": {"id": member.id}}, "errors": []}

    async def promoted() -> bool:
        return bool(await office.ask(member, ROLE_OF_KEY) == {"role": "ADMIN"})

    await within_a_second(promoted)


@pytest.mark.parametrize("document", [CHANGE_ROLE, REMOVE, TRANSFER])
async def test_nobody_and_somebody_elses_member_are_not_found(office: Office, people: People, document: str) -> None:
    _, stranger = await people.founder()
    more = {"role": "ADMIN"} if document == CHANGE_ROLE else {}

    foreign = await office.ask(office.owner, document, id=stranger.id, **more)
    unknown = await office.ask(office.owner, document, id="usr_" + "0" * 26, **more)

    assert refusals(foreign) == refusals(unknown) == [("NOT_FOUND", ["userId"])]
    assert await office.roles(office.owner) == {office.owner.id: "OWNER"}


async def test_admin_manages_all_but_owners(office: Office) -> None:
    admin, other, member = [await office.hire(role) for role in (Role.ADMIN, Role.ADMIN, Role.MEMBER)]
    before = await office.roles(admin)

    answers = [
        await office.ask(admin, CHANGE_ROLE, id=member.id, role="OWNER"),
        await office.ask(admin, CHANGE_ROLE, id=office.owner.id, role="MEMBER"),
        await office.ask(admin, REMOVE, id=office.owner.id),
        await office.ask(admin, INVITE, email="boss@example.com", role="OWNER"),
    ]
    unchanged = await office.roles(admin)
    demoted = await office.ask(admin, CHANGE_ROLE, id=other.id, role="VIEWER")

    assert [refusals(answer) for answer in answers] == [
        [("FORBIDDEN", ["role"])],
        [("FORBIDDEN", ["userId"])],
        [("FORBIDDEN", ["userId"])],
        [("FORBIDDEN", ["input", "role"])],
    ]
    assert unchanged == before
    assert demoted["errors"] == []


async def test_key_that_may_only_manage_members_makes_no_admin_and_touches_none(office: Office) -> None:
    admin, member = await office.hire(Role.ADMIN), await office.hire(Role.MEMBER)
    key = await office.key(office.owner, scopes=[Permission.MEMBER_MANAGE])

    promoted = await office.ask(
        key, "mutation($id: ID!) { changeMemberRole(userId: $id, role: ADMIN) { errors { code path } } }", id=member.id
    )
    removed = await office.ask(key, REMOVE, id=admin.id)
    invited = await office.ask(
        key, 'mutation { inviteMember(input: {email: "x@example.com", role: ADMIN}) { errors { code path } } }'
    )

    assert [refusals(answer) for answer in (promoted, removed, invited)] == [
        [("FORBIDDEN", ["role"])],
        [("FORBIDDEN", ["userId"])],
        [("FORBIDDEN", ["input", "role"])],
    ]
    assert (await office.ask(key, REMOVE, id=member.id))["errors"] == []
    assert await office.roles(office.owner) == {office.owner.id: "OWNER", admin.id: "ADMIN"}


@pytest.mark.parametrize("how", ["leave", "remove", "demote"])
async def test_the_last_owner_stays(office: Office, how: str) -> None:
    await office.hire(Role.ADMIN)
    before = await office.roles(office.owner)

    match how:
        case "leave":
            answer = await office.ask(office.owner, LEAVE)
        case "remove":
            answer = await office.ask(office.owner, REMOVE, id=office.owner.id)
        case _:
            answer = await office.ask(office.owner, CHANGE_ROLE, id=office.owner.id, role="ADMIN")

    assert refusals(answer) == LAST_OWNER
    assert await office.roles(office.owner) == before
    assert await office.owner_of_record(office.owner) == office.owner.id


@pytest.mark.parametrize("attempt", range(5))
async def test_of_two_owners_who_leave_at_once_one_stays(office: Office, attempt: int) -> None:
    other, witness = await office.hire(Role.OWNER), await office.hire(Role.VIEWER)

    answers = await asyncio.gather(office.ask(office.owner, LEAVE), office.ask(other, LEAVE))

    assert sorted(refusals(answer) for answer in answers) == [[], LAST_OWNER]
    (left,) = (role for person, role in (await office.roles(witness)).items() if person != witness.id)
    assert left == "OWNER"
    assert await office.owner_of_record(witness) in (await office.roles(witness))


@pytest.mark.parametrize("attempt", range(5))
async def test_of_two_owners_who_remove_each_other_at_once_one_stays(office: Office, attempt: int) -> None:
    other, witness = await office.hire(Role.OWNER), await office.hire(Role.VIEWER)

    answers = await asyncio.gather(
        office.ask(office.owner, REMOVE, id=other.id), office.ask(other, CHANGE_ROLE, id=office.owner.id, role="MEMBER")
    )

    assert sorted(refusals(answer) for answer in answers) == [[], [("FORBIDDEN", None)]]
    assert list((await office.roles(witness)).values()).count("OWNER") == 1


async def test_twenty_owners_leave_at_once_and_one_stays(office: Office) -> None:
    owners = [office.owner, *[await office.hire(Role.OWNER) for _ in range(19)]]
    witness = await office.hire(Role.VIEWER)

    answers = await asyncio.gather(*(office.ask(owner, LEAVE) for owner in owners))

    (stayed,) = (owner for owner, answer in zip(owners, answers, strict=True) if answer["errors"])
    assert await office.roles(witness) == {stayed.id: "OWNER", witness.id: "VIEWER"}
    assert await office.owner_of_record(witness) == stayed.id


async def test_when_the_owner_of_record_leaves_the_oldest_owner_follows(office: Office) -> None:
    first, second = await office.hire(Role.OWNER), await office.hire(Role.OWNER)

    assert (await office.ask(office.owner, LEAVE))["errors"] == []

    assert await office.owner_of_record(second) == first.id


async def test_ownership_goes_to_the_member_and_the_caller_stays_as_admin(office: Office) -> None:
    member = await office.hire(Role.MEMBER)

    handed = await office.ask(office.owner, TRANSFER, id=member.id)

    assert handed["errors"] == []
    assert handed["workspace"]["owner"] == {"id": member.id}
    assert await office.roles(member) == {office.owner.id: "ADMIN", member.id: "OWNER"}


async def test_owner_cannot_hand_over_to_themselves(office: Office) -> None:
    refused = await office.ask(office.owner, TRANSFER, id=office.owner.id)

    assert refusals(refused) == [("INVALID_STATE", ["userId"])]
    assert await office.roles(office.owner) == {office.owner.id: "OWNER"}


async def test_key_hands_nothing_over_and_leaves_nothing(office: Office) -> None:
    member, key = await office.hire(Role.MEMBER), await office.key(office.owner)

    answers = [await office.ask(key, TRANSFER, id=member.id), await office.ask(key, LEAVE)]

    assert [refusals(answer) for answer in answers] == [[("FORBIDDEN", None)]] * 2
    assert await office.roles(member) == {office.owner.id: "OWNER", member.id: "MEMBER"}


async def test_removed_member_is_out_within_a_second_and_so_are_their_keys(office: Office) -> None:
    admin = await office.hire(Role.ADMIN)
    key, others = await office.key(admin, role=Role.ADMIN), await office.key(office.owner)
    assert await office.ask(key, ROLE_OF_KEY) == {"role": "ADMIN"}

    assert (await office.ask(office.owner, REMOVE, id=admin.id))["errors"] == []

    async def refused() -> bool:
        return (await office.gql(key).raw(ROLE_OF_KEY)).status_code == 401

    await within_a_second(refused)
    outside = await office.gql(admin.token).raw("{ workspace { id } }")
    assert code(outside) == (200, "FORBIDDEN")
    assert await office.ask(others, ROLE_OF_KEY) == {"role": "OWNER"}
    keys = (await office.gql(office.owner.token)("{ apiKeys { nodes { revokedAt } } }"))["apiKeys"]["nodes"]
    assert [found["revokedAt"] is not None for found in keys] == [True, False]


async def test_key_of_a_removed_member_stays_dead_when_they_come_back(office: Office, people: People) -> None:
    member = await office.hire(Role.ADMIN)
    key = await office.key(member)
    await office.ask(office.owner, REMOVE, id=member.id)

    await people.add(office.workspace_id, member, Role.ADMIN)

    assert await office.ask(member, ROLE_OF_KEY) == {"role": "ADMIN"}
    assert (await office.gql(key).raw(ROLE_OF_KEY)).status_code == 401


async def test_key_may_no_more_than_its_maker(office: Office) -> None:
    admin = await office.hire(Role.ADMIN)
    key = await office.key(admin, role=Role.ADMIN)
    assert await office.ask(key, ROLE_OF_KEY) == {"role": "ADMIN"}

    await office.ask(office.owner, CHANGE_ROLE, id=admin.id, role="VIEWER")

    async def narrowed() -> bool:
        return bool(await office.ask(key, ROLE_OF_KEY) == {"role": "VIEWER"})

    await within_a_second(narrowed)
    refused = await office.ask(key, 'mutation { createTask(input: {type: "a", input: 1}) { errors { code path } } }')
    assert refusals(refused) == [("FORBIDDEN", None)]


@pytest.mark.parametrize("with_key", [False, True])
async def test_who_was_just_removed_leaves_nothing_behind(office: Office, with_key: bool) -> None:
    admin = await office.hire(Role.ADMIN)
    token = await office.key(admin, role=Role.ADMIN) if with_key else admin.token
    assert await office.ask(token, ROLE_OF_KEY) == {"role": "ADMIN"}
    await office.ask(office.owner, REMOVE, id=admin.id)

    # Whatever the authenticator remembers for the rest of the second.
    made = await office.gql(token).raw(CREATE_KEY)
    invited = await office.gql(token).raw(INVITE, email="second.self@example.com", role="ADMIN")

    assert {code_of(answer) for answer in (made, invited)} <= {"FORBIDDEN", "UNAUTHENTICATED"}
    left = await office.gql(office.owner.token)("{ invitations { nodes { id } } apiKeys { nodes { name } } }")
    assert left == {"invitations": {"nodes": []}, "apiKeys": {"nodes": [{"name": "test"}] * with_key}}


async def test_who_was_just_demoted_makes_no_key_of_the_old_role(office: Office) -> None:
    admin = await office.hire(Role.ADMIN)
    assert await office.ask(admin, ROLE_OF_KEY) == {"role": "ADMIN"}
    await office.ask(office.owner, CHANGE_ROLE, id=admin.id, role="MEMBER")

    made = await office.ask(admin, CREATE_KEY)

    assert [error["code"] for error in made["errors"]] == ["FORBIDDEN"]


@pytest.mark.parametrize("how", [REMOVE, CHANGE_ROLE])
async def test_invitations_of_who_may_not_invite_any_more_are_gone(office: Office, how: str) -> None:
    admin = await office.hire(Role.ADMIN)
    key = await office.key(admin, role=Role.ADMIN)
    await office.ask(admin, INVITE, email="second.self@example.com", role="ADMIN")
    await office.ask(key, INVITE, email="third.self@example.com", role="VIEWER")
    await office.ask(office.owner, INVITE, email="other@example.com", role="MEMBER")

    await office.ask(office.owner, how, id=admin.id, **({"role": "MEMBER"} if how == CHANGE_ROLE else {}))

    left = await office.gql(office.owner.token)("{ invitations { nodes { email } } }")
    assert left["invitations"]["nodes"] == [{"email": "other@example.com"}]


@pytest.mark.parametrize("with_key", [False, True])
async def test_socket_of_a_removed_member_is_closed_at_once(office: Office, api: str, with_key: bool) -> None:
    member = await office.hire(Role.MEMBER)
    token = await office.key(member, role=Role.MEMBER) if with_key else member.token
    async with connect(api, {"authorization": f"Bearer {token}"}) as socket:
        await (await socket.subscribe(TASK_EVENTS)).next()

        await office.ask(office.owner, REMOVE, id=member.id)

        async with asyncio.timeout(1):
            await socket.connection.wait_closed()
        assert socket.connection.close_code == 4403
