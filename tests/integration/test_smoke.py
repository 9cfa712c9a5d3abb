"""A task from mutation to live result, through both vendors' fakes."""

import pytest

from app.actors.runner import Runner
from tests.integration.graphql_client import Gql, Socket

CREATE = """mutation($input: CreateTaskInput!) { createTask(input: $input) {
  task { id status routing { provider model } } errors { code message path } } }"""
WATCH = "subscription($id: ID) { taskEvents(taskId: $id) { seq kind cursor task { status output cost } } }"


@pytest.mark.parametrize(("complexity", "provider"), [("NORMAL", "openai"), ("HIGH", "anthropic")])
async def test_task_runs_live_to_a_valid_result(
    gql: Gql, socket: Socket, worker: Runner, complexity: str, provider: str
) -> None:
    draft = {"type": "text.summarize", "input": {"text": "Snow delayed the parcel."}, "complexity": complexity}

    created = (await gql(CREATE, input=draft))["createTask"]
    stream = await socket.subscribe(WATCH, id=created["task"]["id"])
    events = await stream.rest()

    assert created["errors"] == []
    assert created["task"]["routing"]["provider"] == provider
    assert events[0]["kind"] == "SNAPSHOT"
    assert events[-1]["kind"] == "SUCCEEDED"
    assert set(events[-1]["task"]["output"]) == {"summary"}
    assert events[-1]["task"]["cost"] > 0
