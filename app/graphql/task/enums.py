"""The enums of a task's life, with what each value means."""

from app.graphql.enums import described
from app.models import TaskComplexity, TaskEventKind, TaskStatus, TaskWaitReason, TimeoutPolicy

TaskStatusType = described(
    TaskStatus,
    "Where a task stands.",
    {
        "SCHEDULED": "Waits for its runAt.",
        "QUEUED": "Waits for a worker; also between two attempts.",
        "RUNNING": "A worker is on it.",
        "WAITING": "Waits for a person, an event or credits; holds no worker.",
        "SUCCEEDED": "Done: output is there. Final.",
        "FAILED": "Given up: error says why. Final, until retryTask.",
        "CANCELED": "Stopped on request. Final, until retryTask.",
        "EXPIRED": "Not started in time. Final, until retryTask.",
    },
)
TaskComplexityType = described(
    TaskComplexity,
    "How hard a task is; a hint for choosing the model.",
    {"LOW": "Simple.", "NORMAL": "The usual.", "HIGH": "Hard: prefers the strongest model."},
)
TaskWaitReasonType = described(
    TaskWaitReason,
    "What a waiting task waits for.",
    {
        "HUMAN_WORK": "A person does the work.",
        "APPROVAL": "A person approves the output.",
        "EXTERNAL_EVENT": "Another system reports something.",
        "CREDITS": "The workspace has too few credits.",
    },
)
TimeoutPolicyType = described(
    TimeoutPolicy,
    "What happens when a wait's deadline passes.",
    {
        "FAIL": "The task fails.",
        "CANCEL": "The task is cancelled.",
        "USE_DEFAULT": "It goes on with the default answer.",
        "ESCALATE": "It goes to somebody else.",
    },
)
TaskEventKindType = described(
    TaskEventKind,
    "What happened to a task.",
    {
        "SNAPSHOT": "Nothing happened: the present state, sent when a stream begins.",
        "CREATED": "Accepted; queued or scheduled.",
        "QUEUED": "Due: its time has come, or a person retried it.",
        "STARTED": "A worker began an attempt.",
        "PROGRESS": "The worker reported progress.",
        "RETRY_SCHEDULED": "An attempt failed; another follows at data.nextAttemptAt.",
        "WAITING": "Waits for a person, an event or credits.",
        "RESUMED": "What it waited for has come; queued again.",
        "SUCCEEDED": "Done. Final.",
        "FAILED": "Given up; data.error says why. Final.",
        "CANCEL_REQUESTED": "Somebody asked to stop it while it ran.",
        "CANCELED": "Stopped. Final.",
        "EXPIRED": "Not started in time. Final.",
    },
)
