"""signUp and signIn."""

import re
import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.integration.api.answers import refusals
from tests.integration.api.documents import CREATE_TASK, draft
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql

FIELDS = """{ accessToken refreshToken expiresAt mfaChallenge user { id name email }
  workspace { id name slug owner { id } } errors { message code path } }"""
SIGN_UP = f"mutation($input: SignUpInput!) {{ signUp(input: $input) {FIELDS} }}"
SIGN_IN = f"mutation($input: SignInInput!) {{ signIn(input: $input) {FIELDS} }}"
PASSWORD = "correct horse battery"


@pytest.fixture
def anonymous(gql_as: Callable[[Tenant | None], Gql]) -> Gql:
    return gql_as(None)


def account(**changes: Any) -> dict[str, Any]:
    return {"email": f"{secrets.token_hex(8)}@example.com", "password": PASSWORD, "name": "Ann"} | changes


async def test_new_account_can_work_at_once(anonymous: Gql, http: httpx.AsyncClient, api: str) -> None:
    wanted = account(email=f"  {secrets.token_hex(8)}@EXAMPLE.com ".strip(), workspaceName="Ann & Söhne")

    signed_up = (await anonymous(SIGN_UP, input=wanted))["signUp"]
    created = await Gql(http, api, signed_up["accessToken"])(CREATE_TASK, input=draft())

    assert signed_up["errors"] == []
    assert (signed_up["user"]["name"], signed_up["user"]["email"]) == ("Ann", wanted["email"].lower())
    assert signed_up["workspace"]["name"] == "Ann & Söhne"
    assert signed_up["workspace"]["owner"]["id"] == signed_up["user"]["id"]
    assert created["createTask"]["task"]["createdBy"]["id"] == signed_up["user"]["id"]


async def test_workspace_is_not_named_after_its_owner_whose_name_is_sealed(anonymous: Gql) -> None:
    signed_up = (await anonymous(SIGN_UP, input=account(name="Zoë Quist")))["signUp"]

    assert signed_up["errors"] == []
    assert signed_up["workspace"]["name"] == "My workspace"
    assert re.fullmatch("my-workspace-[0-9a-f]{8}", signed_up["workspace"]["slug"])


@pytest.mark.parametrize("name", ["A", "ñ" * 200, "李小龙 🐉"])
async def test_name_comes_back_as_it_was_given(anonymous: Gql, name: str) -> None:
    signed_up = (await anonymous(SIGN_UP, input=account(name=name)))["signUp"]

    assert (signed_up["errors"], signed_up["user"]["name"]) == ([], name)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"email": ""}, "email"),
        ({"email": "ann"}, "email"),
        ({"email": "ann@"}, "email"),
        ({"email": "a\0nn@example.com"}, "email"),
        ({"email": "a" * 300 + "@example.com"}, "email"),
        ({"password": "1234567"}, "password"),
        ({"password": "x" * 201}, "password"),
        ({"name": "  "}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"workspaceName": " "}, "workspaceName"),
        ({"workspaceName": "n" * 201}, "workspaceName"),
        ({"workspaceName": "a\0b"}, "workspaceName"),
    ],
)
async def test_wrong_value_is_named_and_no_account_made(anonymous: Gql, changes: dict[str, Any], path: str) -> None:
    wanted = account(**changes)

    refused = (await anonymous(SIGN_UP, input=wanted))["signUp"]
    login = {"email": wanted["email"], "password": wanted["password"]}

    assert refusals(refused) == [("INVALID_INPUT", ["input", path])]
    assert (refused["accessToken"], refused["user"], refused["workspace"]) == (None, None, None)
    assert refusals((await anonymous(SIGN_IN, input=login))["signIn"]) == [
        ("INVALID_CREDENTIALS", ["input", "password"])
    ]


async def test_address_is_taken_once_whatever_its_case(anonymous: Gql) -> None:
    wanted = account()
    first = (await anonymous(SIGN_UP, input=wanted))["signUp"]

    second = (await anonymous(SIGN_UP, input=wanted | {"email": wanted["email"].upper(), "name": "Eve"}))["signUp"]

    assert first["errors"] == []
    assert refusals(second) == [("CONFLICT", ["input", "email"])]
    assert (second["accessToken"], second["user"]) == (None, None)


async def test_sign_in_gives_user_workspace_and_a_token_that_works(
    anonymous: Gql, http: httpx.AsyncClient, api: str
) -> None:
    wanted = account()
    signed_up = (await anonymous(SIGN_UP, input=wanted))["signUp"]

    login = {"email": wanted["email"].title(), "password": PASSWORD}
    signed_in = (await anonymous(SIGN_IN, input=login))["signIn"]
    viewer = await Gql(http, api, signed_in["accessToken"])("{ viewer { user { id } } }")

    assert signed_in["errors"] == []
    assert (signed_in["user"], signed_in["workspace"]) == (signed_up["user"], signed_up["workspace"])
    assert viewer["viewer"]["user"]["id"] == signed_up["user"]["id"]


async def test_wrong_password_and_unknown_address_get_the_same_answer(anonymous: Gql) -> None:
    known = account()
    await anonymous(SIGN_UP, input=known)

    answers = [
        (await anonymous(SIGN_IN, input={"email": email, "password": password}))["signIn"]
        for email, password in (
            (known["email"], "wrong password"),
            ("nobody@example.com", PASSWORD),
            ("no address", PASSWORD),
            (known["email"], ""),
            (known["email"], PASSWORD + "x" * 1000),
            (known["email"], "\0"),
        )
    ]

    assert refusals(answers[0]) == [("INVALID_CREDENTIALS", ["input", "password"])]
    assert answers == [answers[0]] * len(answers)


async def test_signing_in_does_not_change_who_the_request_belongs_to(anonymous: Gql, gql: Gql) -> None:
    other = account()
    await anonymous(SIGN_UP, input=other)
    both = SIGN_IN.replace(
        f"{FIELDS} }}", f"{FIELDS} createTask(input: $draft) {{ task {{ id }} errors {{ code }} }} }}"
    )
    both = both.replace("SignInInput!)", "SignInInput!, $draft: CreateTaskInput!)")
    login = {"email": other["email"], "password": PASSWORD}

    as_key = await gql(both, input=login, draft=draft())
    as_nobody = (await anonymous.raw(both, input=login, draft=draft())).json()

    assert as_key["createTask"]["errors"] == []
    assert [node["id"] for node in (await gql("{ tasks { nodes { id } } }"))["tasks"]["nodes"]] == [
        as_key["createTask"]["task"]["id"]
    ]
    assert [error["extensions"]["code"] for error in as_nobody["errors"]] == ["UNAUTHENTICATED"]
