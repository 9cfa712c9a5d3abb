"""The routing policy: what is set is what tasks are explained by."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.api.answers import limits, refusals
from tests.integration.billing.conftest import SUMMARY
from tests.integration.conftest import MakeTenant, Tenant
from tests.integration.graphql_client import Gql

FIELDS = "models cells { modelClass tier model } providers changedAt"
ERRORS = "errors { code path message ... on LimitError { limit actual } }"
SET = f"""mutation($input: SetRoutingPolicyInput!) {{ setRoutingPolicy(input: $input) {{
  routingPolicy {{ {FIELDS} }} {ERRORS} }} }}"""
POLICY = f"{{ routingPolicy {{ {FIELDS} }} }}"
EXPLAIN = "query($input: CreateTaskInput!) { explainRouting(input: $input) { provider model tier reasons fallbacks } }"
NOTHING = {"models": [], "cells": [], "providers": [], "changedAt": None}


async def set_policy(gql: Gql, **policy: Any) -> Any:
    answer = (await gql(SET, input=policy))["setRoutingPolicy"]
    assert answer["errors"] == []
    return answer["routingPolicy"]


async def explain(gql: Gql, **changes: Any) -> Any:
    return (await gql(EXPLAIN, input=SUMMARY | changes))["explainRouting"]


async def test_preferred_models_go_first_in_their_order(gql: Gql) -> None:
    assert (await gql(POLICY))["routingPolicy"] == NOTHING

    policy = await set_policy(gql, models=["anthropic/claude-opus-5-5", "gpt-3.5-turbo"])

    assert policy["changedAt"] is not None
    assert (await gql(POLICY))["routingPolicy"] == policy
    explained = await explain(gql)
    assert (explained["provider"], explained["model"]) == ("anthropic", "claude-opus-5-5")
    assert explained["fallbacks"] == ["openai/gpt-6-luna"]
    assert explained["reasons"][0] == "the workspace's policy prefers anthropic/claude-opus-5-5"


async def test_a_replaced_cell_is_used_for_its_class(gql: Gql) -> None:
    before = await explain(gql)
    cell = {"modelClass": "content_generation", "tier": "primary", "model": "anthropic/claude-sonnet-5-5"}

    policy = await set_policy(gql, cells=[cell])

    assert policy["cells"] == [cell]
    after = await explain(gql)
    assert (before["provider"], after["provider"]) == ("openai", "anthropic")
    assert after["model"] == "claude-sonnet-5-5"


async def test_only_allowed_providers_are_used(gql: Gql) -> None:
    await set_policy(gql, providers=["anthropic"])

    explained = await explain(gql, type="note.write")

    assert explained["provider"] == "anthropic"
    assert explained["fallbacks"] == []
    assert "the workspace's policy does not allow openai" in explained["reasons"]


async def test_setting_it_again_replaces_the_whole(gql: Gql) -> None:
    await set_policy(gql, models=["gpt-4"], providers=["openai"])

    policy = await set_policy(gql)

    assert policy | {"changedAt": None} == NOTHING


@pytest.mark.parametrize(
    ("policy", "refusal"),
    [
        ({"models": ["gpt-4", "no-such"]}, ("INVALID_INPUT", ["input", "models", "1"])),
        ({"models": ["openai/\0"]}, ("INVALID_INPUT", ["input", "models", "0"])),
        ({"models": ["openai/" + "x" * 300]}, ("INVALID_INPUT", ["input", "models", "0"])),
        ({"providers": ["nobody"]}, ("INVALID_INPUT", ["input", "providers", "0"])),
        ({"providers": ["local"]}, ("PROVIDER_UNAVAILABLE", ["input", "providers"])),
        ({"models": ["llama-3-70b"]}, ("PROVIDER_UNAVAILABLE", ["input", "models"])),
        ({"models": ["gpt-4"], "providers": ["anthropic"]}, ("PROVIDER_UNAVAILABLE", ["input", "models"])),
        (
            {"cells": [{"modelClass": "x", "tier": "primary", "model": "gpt-4"}]},
            ("INVALID_INPUT", ["input", "cells", "0", "modelClass"]),
        ),
        (
            {"cells": [{"modelClass": "simple_tasks", "tier": "x", "model": "gpt-4"}]},
            ("INVALID_INPUT", ["input", "cells", "0", "tier"]),
        ),
        (
            {"cells": [{"modelClass": "simple_tasks", "tier": "primary", "model": "x"}]},
            ("INVALID_INPUT", ["input", "cells", "0", "model"]),
        ),
        (
            {"cells": [{"modelClass": "simple_tasks", "tier": "primary", "model": "gpt-4"}] * 2},
            ("INVALID_INPUT", ["input", "cells", "1"]),
        ),
    ],
)
async def test_wrong_policies_are_refused_and_the_old_one_stays(
    gql: Gql, policy: dict[str, Any], refusal: tuple[str, list[str]]
) -> None:
    before = await set_policy(gql, models=["gpt-4"])

    refused = (await gql(SET, input=policy))["setRoutingPolicy"]

    assert refusals(refused) == [refusal]
    assert (await gql(POLICY))["routingPolicy"] == before


async def test_unconfigured_providers_are_told_with_the_configured_ones(gql: Gql) -> None:
    refused = (await gql(SET, input={"providers": ["local"]}))["setRoutingPolicy"]

    assert refused["errors"][0]["message"] == (
        "None of these providers is configured here, so no task could run; configured: anthropic, openai."
    )


async def test_models_of_a_policy_are_bounded(gql: Gql) -> None:
    refused = (await gql(SET, input={"models": ["gpt-4"] * 21}))["setRoutingPolicy"]

    assert limits(refused) == [(20, 21)]


async def test_it_is_of_one_workspace_and_in_its_audit_log(
    gql: Gql, tenant: Tenant, gql_as: Callable[[Tenant], Gql], make_tenant: MakeTenant
) -> None:
    stranger = gql_as(await make_tenant())

    await set_policy(gql, models=["gpt-4"])

    assert (await stranger(POLICY))["routingPolicy"] == NOTHING
    log = (await gql('{ auditLog(action: "routing_policy.") { nodes { subjectId data } } }'))["auditLog"]["nodes"]
    assert log == [
        {"subjectId": tenant.workspace_id, "data": {"models": ["gpt-4"], "cells": {}, "providers": []}},
    ]
