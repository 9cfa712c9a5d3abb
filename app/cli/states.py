"""The words of the public contract that the command line reads or sends.

Written out here, and compared with the service's own by a test: importing those would bring the tables and SQLAlchemy
with them, which takes longer than most commands run.
"""

from enum import StrEnum

MICROS_PER_CREDIT = 1_000_000


class TaskStatus(StrEnum):
    SCHEDULED = "SCHEDULED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


ENDED = frozenset({TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELED, TaskStatus.EXPIRED})


class TaskComplexity(StrEnum):
    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
