"""Errors of jobs, branches of the tree in :mod:`impasto.errors`.

::

    ImpastoError
    └── JobError
        ├── UnknownJob       unknown_job        404   no job of that id, or another owner's
        ├── JobConflict      job_conflict       409   the id is taken by other content
        ├── NotReady         not_ready          409   there is no result yet
        ├── Cancelled        cancelled          409   it was given up
        ├── UploadTooLarge   upload_too_large   413   more bytes than allowed
        ├── UploadTooSlow    upload_too_slow    408   its bytes did not come in time
        ├── QueueFull        queue_full         429   too much is waiting; come back
        ├── QuotaExceeded    quota_exceeded     429   more than one owner may have
        ├── TooDear          too_dear           429   it takes longer than an instant answer may: it can be a job
        ├── WorkerLost       worker_lost        503   the process that painted died, or was ended for memory or time
        ├── StorageAway      storage_away       503   the database, the disk or a folder cannot be used just now
        ├── StorageLost      storage_lost       500   the server has lost what it was sent, or made
        └── Suspended        suspended          503   the server is not to write for now, for another may
"""

from __future__ import annotations

from impasto.errors import ImpastoError

__all__ = [
    "Cancelled",
    "JobConflict",
    "JobError",
    "NotReady",
    "QueueFull",
    "QuotaExceeded",
    "StorageAway",
    "StorageLost",
    "Suspended",
    "TooDear",
    "UnknownJob",
    "UploadTooLarge",
    "UploadTooSlow",
    "WorkerLost",
]


class JobError(ImpastoError):
    code = "job_error"


class UnknownJob(JobError):
    code = "unknown_job"
    status = 404


class JobConflict(JobError):
    code = "job_conflict"
    status = 409


class NotReady(JobError):
    code = "not_ready"
    status = 409


class Cancelled(JobError):
    code = "cancelled"
    status = 409


class UploadTooLarge(JobError):
    code = "upload_too_large"
    status = 413


class UploadTooSlow(JobError):
    code = "upload_too_slow"
    status = 408


class QueueFull(JobError):
    """``retry_after`` is in seconds."""

    code = "queue_full"
    status = 429
    retry_after = 5

    def __init__(self, message: str, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaExceeded(QueueFull):
    code = "quota_exceeded"


class TooDear(QueueFull):
    code = "too_dear"


class StorageAway(JobError):
    code = "storage_away"
    status = 503


class WorkerLost(JobError):
    """``reason`` is ``died``, ``memory``, ``time``, ``down`` or ``stopped``."""

    code = "worker_lost"
    status = 503

    def __init__(self, message: str, reason: str = "died") -> None:
        super().__init__(message)
        self.reason = reason


class StorageLost(JobError):
    code = "storage_lost"
    status = 500


class Suspended(JobError):
    code = "suspended"
    status = 503
