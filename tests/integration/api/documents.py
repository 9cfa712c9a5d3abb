"""What several tests send, and the ids of nothing."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from app import clock, ids

ERRORS = "errors { code path ... on LimitError { limit actual } }"
CREATE_TASK = f"""mutation($input: CreateTaskInput!) {{ createTask(input: $input) {{
  task {{ id type status input priority tags metadata createdBy {{ id }} }} {ERRORS} }} }}"""
# For rate limits.
ONE_POINT = "{ viewer { role } }"
_NOTHINGS = " ".join(f"m{number}: createTasks(inputs: []) {{ __typename }}" for number in range(10))
TEN_POINTS = f"mutation {{ {_NOTHINGS} }}"
CREATE_TASKS = f"""mutation($inputs: [CreateTaskInput!]!) {{ createTasks(inputs: $inputs) {{
  results {{ task {{ id }} {ERRORS} }} {ERRORS} }} }}"""
CANCEL_TASK = f"""mutation($id: ID!, $reason: String) {{ cancelTask(id: $id, reason: $reason) {{
  task {{ id status }} {ERRORS} }} }}"""
RETRY_TASK = f"mutation($id: ID!) {{ retryTask(id: $id) {{ task {{ id status }} {ERRORS} }} }}"
CREATE_WORKER = f"""mutation($input: CreateWorkerInput!) {{ createWorker(input: $input) {{
  worker {{ id name kind provider model capabilities skills enabled }} {ERRORS} }} }}"""
CREATE_TEMPLATE = f"""mutation($input: CreateTemplateInput!) {{ createTemplate(input: $input) {{
  template {{ id slug name category description config isPublic latestVersion {{ id number prompt inputSchema }} }}
  {ERRORS} }} }}"""
TASKS = """query($first: Int, $after: String, $last: Int, $before: String, $filter: TaskFilter) {
  tasks(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
    nodes { id } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
COUNT = "query($filter: TaskFilter) { tasks(first: 0, filter: $filter) { totalCount } }"
TASK_EVENTS = "subscription($id: ID, $after: String) { taskEvents(taskId: $id, after: $after) { kind task { id } } }"
TASK_OUTPUT = "subscription($id: ID!, $from: Int) { taskOutput(taskId: $id, fromOffset: $from) { text done } }"
VIEWER = "{ viewer { role permissions user { id } apiKey { id name } workspace { id } workspaces { id } } }"

LATER = (clock.now() + timedelta(days=30)).isoformat()
# The same in every test process: pytest-xdist compares the names of parametrized tests.
_NOBODY = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
UNKNOWN_TASK = ids.encode(ids.TASK, _NOBODY)
UNKNOWN_WORKER = ids.encode(ids.WORKER, _NOBODY)
UNKNOWN_TEMPLATE = ids.encode(ids.TEMPLATE, _NOBODY)


def draft(**changes: Any) -> dict[str, Any]:
    """A task that no template knows and that no worker of another test takes: it is due far in the future."""
    return {"type": "note.write", "input": {"text": "x"}, "runAt": LATER} | changes
