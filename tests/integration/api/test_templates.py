"""createTemplate and templates."""

from typing import Any

import pytest

from tests.integration.api.answers import limits, refusals
from tests.integration.api.documents import CREATE_TASK, CREATE_TEMPLATE, draft
from tests.integration.graphql_client import Gql

BUILT_IN = [
    "data.extract",
    "email.reply",
    "product.description",
    "review.classify",
    "text.summarize",
    "text.translate",
]
LIST = """query($search: String, $category: String) {
  templates(first: 100, search: $search, category: $category) { nodes { slug isPublic creator { id } } } }"""
WANTED = {"slug": "invoice.check", "name": "Check an invoice", "prompt": "Check {{invoice}}."}
TEXT = {"type": "object", "properties": {"invoice": {"type": "string"}}, "required": ["invoice"]}


async def slugs(gql: Gql, **arguments: str) -> list[str]:
    return sorted(node["slug"] for node in (await gql(LIST, **arguments))["templates"]["nodes"])


async def test_built_in_templates_are_public_and_nobodys(gql: Gql) -> None:
    nodes = (await gql(LIST))["templates"]["nodes"]

    assert sorted(node["slug"] for node in nodes) == BUILT_IN
    assert {(node["isPublic"], node["creator"]) for node in nodes} == {(True, None)}


async def test_template_comes_back_with_its_first_version(gql: Gql) -> None:
    wanted = WANTED | {"inputSchema": TEXT, "config": {"temperature": 0}, "description": "Finds mistakes."}

    created = (await gql(CREATE_TEMPLATE, input=wanted))["createTemplate"]

    assert created["errors"] == []
    template = created["template"]
    assert (template["slug"], template["name"], template["category"]) == ("invoice.check", WANTED["name"], "general")
    assert (template["config"], template["isPublic"]) == ({"temperature": 0}, False)
    assert template["description"] == "Finds mistakes."
    assert template["latestVersion"]["number"] == 1
    assert template["latestVersion"]["inputSchema"] == TEXT


async def test_template_without_a_description_has_none(gql: Gql) -> None:
    created = (await gql(CREATE_TEMPLATE, input=WANTED))["createTemplate"]

    assert created["template"]["description"] is None


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"slug": ""}, "slug"),
        ({"slug": "two words"}, "slug"),
        ({"slug": "s" * 101}, "slug"),
        ({"name": " "}, "name"),
        ({"category": ""}, "category"),
        ({"category": "c" * 101}, "category"),
        ({"description": "d" * 2_001}, "description"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "Check {{invoice."}, "prompt"),
        ({"prompt": "Check {{bill}}.", "inputSchema": TEXT}, "prompt"),
        ({"inputSchema": []}, "inputSchema"),
        ({"inputSchema": False}, "inputSchema"),
        ({"inputSchema": {"type": "text"}}, "inputSchema/type"),
        ({"inputSchema": {"properties": {"a": {"minLength": -1}}}}, "inputSchema/properties/a/minLength"),
        ({"inputSchema": {"$ref": "https://example.com/a.json"}}, "inputSchema/$ref"),
        ({"outputSchema": {"type": "array"}}, "outputSchema/type"),
        ({"outputSchema": {}}, "outputSchema/type"),
        ({"outputSchema": {"type": "object", "required": "a"}}, "outputSchema/required"),
        ({"config": []}, "config"),
        ({"config": {"temperature": "hot"}}, "config/temperature"),
        ({"config": {"maxOutputTokens": 0}}, "config/maxOutputTokens"),
        ({"config": {"modelClass": "poetry"}}, "config/modelClass"),
        ({"config": {"modelClass": ["simple_tasks"]}}, "config/modelClass"),
        ({"config": {"modelClass": "simple_tasks", "tier": "best"}}, "config/tier"),
        ({"config": {"tier": "budget"}}, "config/tier"),
        ({"config": {"priceMicros": -1}}, "config/priceMicros"),
        ({"config": {"priceMicros": 1.5}}, "config/priceMicros"),
        ({"config": {"priceMicros": True}}, "config/priceMicros"),
        ({"config": {"priceMicros": 1_000_000_001}}, "config/priceMicros"),
        ({"config": {"colour": "red"}}, "config/colour"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_wrong_value_is_named_and_nothing_written(gql: Gql, changes: dict[str, Any], path: str) -> None:
    created = (await gql(CREATE_TEMPLATE, input=WANTED | changes))["createTemplate"]

    assert created["template"] is None
    assert refusals(created) == [("INVALID_INPUT", ["input", *path.split("/")])]
    assert await slugs(gql) == BUILT_IN


@pytest.mark.parametrize(
    ("changes", "path", "limit", "actual"),
    [
        ({"prompt": "x" * 20_001}, "prompt", 20_000, 20_001),
        ({"inputSchema": {"description": "x" * 65_536}}, "inputSchema", 65_536, 65_554),
    ],
    ids=["prompt", "schema"],
)
async def test_too_much_is_answered_with_the_limit(
    gql: Gql, changes: dict[str, Any], path: str, limit: int, actual: int
) -> None:
    created = (await gql(CREATE_TEMPLATE, input=WANTED | changes))["createTemplate"]

    assert refusals(created) == [("LIMIT_EXCEEDED", ["input", path])]
    assert limits(created) == [(limit, actual)]


async def test_slug_is_taken_once(gql: Gql) -> None:
    await gql(CREATE_TEMPLATE, input=WANTED)

    again = (await gql(CREATE_TEMPLATE, input=WANTED | {"name": "Another"}))["createTemplate"]

    assert again["template"] is None
    assert refusals(again) == [("CONFLICT", ["input", "slug"])]


async def test_own_template_shadows_a_built_in_one(gql: Gql) -> None:
    own = {"slug": "email.reply", "name": "Ours", "prompt": "Answer {{mail}}.", "inputSchema": {"required": ["mail"]}}
    template = (await gql(CREATE_TEMPLATE, input=own))["createTemplate"]["template"]
    document = CREATE_TASK.replace("createdBy { id }", "template { id number template { name } }")

    created = (await gql(document, input=draft(type="email.reply", input={"mail": "Hi"})))["createTask"]
    refused = (await gql(document, input=draft(type="email.reply", input={"email": "Hi"})))["createTask"]

    assert created["task"]["template"] == {
        "id": template["latestVersion"]["id"],
        "number": 1,
        "template": {"name": "Ours"},
    }
    assert refusals(refused) == [("INVALID_INPUT", ["input", "input", "mail"])]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"search": "invoices"}, ["invoice.check"]),
        ({"search": "invoice.check"}, ["invoice.check"]),
        ({"search": "email reply"}, ["email.reply"]),
        ({"search": "finance checking"}, ["invoice.check"]),
        ({"search": "nothing like it"}, []),
        ({"search": "'; --"}, []),
        ({"category": "finance"}, ["invoice.check"]),
        ({"category": "fin"}, []),
        ({"category": "finance", "search": "email"}, []),
    ],
    ids=str,
)
async def test_search_and_category(gql: Gql, arguments: dict[str, str], expected: list[str]) -> None:
    await gql(CREATE_TEMPLATE, input=WANTED | {"category": "finance"})

    assert await slugs(gql, **arguments) == expected


async def test_search_has_a_limit(gql: Gql) -> None:
    (error,) = await gql.errors(LIST, search="x" * 201)

    assert (error["extensions"]["code"], error["extensions"]["limit"]) == ("BAD_USER_INPUT", 200)
