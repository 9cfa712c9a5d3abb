"""The GraphQL that the command line sends. Pages are so long that a first plan has the points for one."""

ERROR = "error { code message retryable }"
# What a line about a task needs.
TASK_LINE = f"""
    id type status version priority attemptCount costMicros createdAt startedAt finishedAt runAt queuePosition
    routing {{ provider model }} {ERROR}
"""
EVENT = "cursor seq kind at data gap"
ATTEMPT = f"""
    number status provider model inputTokens outputTokens costMicros startedAt finishedAt {ERROR} worker {{ id name }}
"""
TASK_WHOLE = f"""
    id type status input output cost costMicros reservedMicros complexity costSensitive priority progress partialOutput
    queuePosition estimatedStartAt attemptCount metadata tags version createdAt runAt startedAt finishedAt
    cancelRequestedAt {ERROR} routing {{ provider model tier reasons fallbacks }}
    wait {{ id reason deadline onTimeout }} worker {{ id name kind }} createdBy {{ id name }}
    template {{ id number template {{ id slug }} }}
    attempts(first: 25) {{ nodes {{ {ATTEMPT} }} }}
"""
PAGE_INFO = "pageInfo { hasNextPage endCursor }"
PAYLOAD_ERRORS = "errors { message code path }"

CREATE_TASK = f"""
mutation CreateTask($input: CreateTaskInput!) {{
  createTask(input: $input) {{ task {{ {TASK_LINE} }} {PAYLOAD_ERRORS} }}
}}"""
CANCEL_TASK = f"""
mutation CancelTask($id: ID!, $reason: String) {{
  cancelTask(id: $id, reason: $reason) {{ task {{ {TASK_LINE} }} {PAYLOAD_ERRORS} }}
}}"""
RETRY_TASK = f"""
mutation RetryTask($id: ID!) {{ retryTask(id: $id) {{ task {{ {TASK_LINE} }} {PAYLOAD_ERRORS} }} }}"""
TASK = f"query Task($id: ID!) {{ task(id: $id) {{ {TASK_WHOLE} }} }}"
TASK_EVENTS_PAGE = f"""
query TaskEvents($id: ID!, $after: String) {{
  task(id: $id) {{
    status events(first: 20, after: $after) {{ nodes {{ {EVENT} task {{ {TASK_LINE} }} }} {PAGE_INFO} }}
  }}
}}"""
TASKS = f"""
query Tasks($first: Int, $after: String, $filter: TaskFilter) {{
  tasks(first: $first, after: $after, filter: $filter) {{ nodes {{ {TASK_LINE} }} {PAGE_INFO} }}
}}"""
ENDED_TASKS = f"""
query EndedTasks($first: Int, $after: String, $filter: TaskFilter) {{
  tasks(first: $first, after: $after, filter: $filter) {{
    nodes {{ id type status version finishedAt {ERROR} }} {PAGE_INFO}
  }}
}}"""
TASK_VERSION = "query TaskVersion($id: ID!) { task(id: $id) { version } }"
TEMPLATES = """
query Templates($search: String) {
  templates(first: 25, search: $search) { nodes { slug creator { id } latestVersion { inputSchema } } }
}"""
WATCH = f"""
subscription Watch($taskId: ID, $after: String) {{
  taskEvents(taskId: $taskId, after: $after) {{ {EVENT} task {{ {TASK_LINE} }} }}
}}"""
OUTPUT = """
subscription Output($taskId: ID!) { taskOutput(taskId: $taskId) { attempt offset text reset done } }"""
