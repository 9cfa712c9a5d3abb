"""Several workspaces, one, none: what a person can do in each case."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from app import ids
from app.principal import Role
from app.services.workspace import create
from tests.integration.api.accounts import CHANGE_PASSWORD, PASSWORD, Person, new_email
from tests.integration.api.answers import code, refusals
from tests.integration.api.documents import TASK_EVENTS
from tests.integration.api.people import Colleague, People
from tests.integration.api.workspaces import CREATE_WORKSPACE, LEAVE, UPDATE_WORKSPACE, VIEWER
from tests.integration.graphql_client import Gql, connect

Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def ask(http: httpx.AsyncClient, api: str) -> Ask:
    async def send(caller: Colleague, document: str, within: UUID | None = None, **variables: Any) -> httpx.Response:
        headers = {"X-Workspace-Id": ids.encode(ids.WORKSPACE, within)} if within else {}
        return await Gql(http, api, caller.token).raw(document, headers, **variables)

    return send


def value(response: httpx.Response) -> Any:
    assert "errors" not in response.json(), response.text
    (found,) = response.json()["data"].values()
    return found


async def test_person_of_none_can_look_around_and_begin(ask: Ask, people: People) -> None:
    person = await people.person()

    viewer = value(await ask(person, VIEWER))
    created = value(await ask(person, CREATE_WORKSPACE, name="  First  "))

    assert viewer == {
        "role": None, "permissions": [], "user": {"id": person.id}, "workspace": None, "workspaces": [],
    }  # fmt: skip
    assert created["errors"] == []
    assert (created["workspace"]["name"], created["workspace"]["plan"]) == ("First", "FREE")
    assert created["workspace"]["owner"] == {"id": person.id}


async def test_person_of_several_acts_in_none_until_they_name_one(ask: Ask, people: People) -> None:
    first, person = await people.founder()
    second, other = await people.founder()
    await people.add(second, person, Role.VIEWER)

    nowhere = value(await ask(person, VIEWER))
    named = value(await ask(person, VIEWER, within=second))

    both = [
        {"id": ids.encode(ids.WORKSPACE, first), "owner": {"id": person.id}},
        {"id": ids.encode(ids.WORKSPACE, second), "owner": {"id": other.id}},
    ]
    assert (nowhere["role"], nowhere["workspace"], nowhere["workspaces"]) == (None, None, both)
    assert (named["role"], named["workspace"], named["workspaces"]) == ("VIEWER", {"id": both[1]["id"]}, both)


@pytest.mark.parametrize(
    "document", ["{ workspace { id } }", "{ tasks { nodes { id } } }", "{ members { nodes { role } } }"]
)
async def test_what_needs_a_workspace_says_how_to_name_one(ask: Ask, people: People, document: str) -> None:
    person = await people.person()

    response = await ask(person, document)

    assert code(response) == (200, "FORBIDDEN")
    assert "X-Workspace-Id" in response.json()["errors"][0]["message"]


async def test_mutation_without_a_workspace_is_refused_in_its_payload(ask: Ask, people: People) -> None:
    person = await people.person()

    for document in (LEAVE, 'mutation { createTask(input: {type: "a", input: 1}) { errors { code path } } }'):
        assert refusals(value(await ask(person, document))) == [("FORBIDDEN", None)]


async def test_workspace_that_is_not_theirs_is_forbidden_before_anything_runs(ask: Ask, people: People) -> None:
    (foreign, _), person = await people.founder(), await people.person()

    assert code(await ask(person, VIEWER, within=foreign)) == (403, "FORBIDDEN")


async def test_who_left_their_last_workspace_signs_in_and_changes_their_password(
    http: httpx.AsyncClient, api: str, people: People
) -> None:
    someone = Person(http, api, new_email())
    own = (await someone.sign_up())["accessToken"]
    user_id = ids.decode(ids.USER, (await Gql(http, api, own)("{ viewer { user { id } } }"))["viewer"]["user"]["id"])
    assert user_id is not None
    await people.forget(user_id)

    signed_in = await someone.sign_in()

    assert signed_in["errors"] == []
    assert signed_in["user"] == {"id": ids.encode(ids.USER, user_id)}
    wanted = {"currentPassword": PASSWORD, "newPassword": "another horse battery"}
    changed = await someone.ask(CHANGE_PASSWORD, signed_in["accessToken"], input=wanted)
    assert changed["errors"] == []
    assert (await someone.sign_in("another horse battery"))["errors"] == []


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\0b"])
async def test_name_that_cannot_be_is_refused(ask: Ask, people: People, name: str) -> None:
    _, person = await people.founder()

    for document in (CREATE_WORKSPACE, UPDATE_WORKSPACE):
        assert refusals(value(await ask(person, document, name=name))) == [("INVALID_INPUT", ["name"])]
    viewer = value(await ask(person, "{ viewer { workspaces { name } } }"))
    assert viewer["workspaces"] == [{"name": "Test workspace"}]


async def test_renaming_keeps_the_slug(ask: Ask, people: People) -> None:
    _, person = await people.founder()
    slug = value(await ask(person, "{ workspace { slug } }"))["slug"]

    renamed = value(await ask(person, UPDATE_WORKSPACE, name="Next"))["workspace"]

    assert (renamed["name"], renamed["slug"]) == ("Next", slug)
    assert value(await ask(person, "{ workspace { name } }")) == {"name": "Next"}


async def test_there_is_a_limit_to_a_persons_workspaces(
    ask: Ask, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(create, "MAX_WORKSPACES", 1)
    _, person = await people.founder()

    refused = value(await ask(person, CREATE_WORKSPACE, name="Second"))

    assert refusals(refused) == [("LIMIT_EXCEEDED", None)]
    assert len(value(await ask(person, VIEWER))["workspaces"]) == 1


async def test_socket_stays_in_the_workspace_that_it_began_in(api: str, people: People) -> None:
    first, person = await people.founder()
    async with connect(api, {"authorization": f"Bearer {person.token}"}) as socket:
        watching = await socket.subscribe(TASK_EVENTS)
        await watching.next()
        second, _ = await people.founder()
        await people.add(second, person, Role.VIEWER)
        await people.look_again(second)

        with pytest.raises(TimeoutError):
            await watching.message(seconds=1)
        viewer = await (await socket.subscribe(VIEWER)).next()

    assert viewer["workspace"] == {"id": ids.encode(ids.WORKSPACE, first)}
    assert len(viewer["workspaces"]) == 2


async def test_socket_without_a_workspace_answers_what_needs_none(api: str, people: People) -> None:
    person = await people.person()
    async with connect(api, {"authorization": f"Bearer {person.token}"}) as socket:
        assert (await (await socket.subscribe(VIEWER)).next())["workspaces"] == []
        created = await (await socket.subscribe(CREATE_WORKSPACE, name="First")).next()
        refused = await (await socket.subscribe(TASK_EVENTS)).message()

    assert created["workspace"]["owner"] == {"id": person.id}
    assert [error["extensions"]["code"] for error in refused["payload"]] == ["FORBIDDEN"]
