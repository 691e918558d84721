"""What can go wrong with a model: one error with a stable code."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from mamori.errors import MamoriError

# A quota and a file-size limit of the process end a write just as a full disk does.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ModelFault(StrEnum):
    """The stable codes of ``ModelError``."""

    UNKNOWN = "model_unknown"
    MISSING = "model_missing"
    CORRUPT = "model_corrupt"
    UNPINNED = "model_unpinned"
    UNREACHABLE = "model_unreachable"
    DOWNLOAD_REFUSED = "download_refused"
    DOWNLOAD_MISMATCH = "download_mismatch"
    ARCHIVE_REFUSED = "archive_refused"
    PACKAGE_MISSING = "package_missing"
    ENGINE_MISSING = "engine_missing"
    DISK_FULL = "disk_full"
    NOT_WRITABLE = "models_not_writable"


class ModelError(MamoriError):
    """A model cannot be had or may not be used; the message says what to do about it."""

    def __init__(self, fault: ModelFault, message: str, *, recoverable: bool = False) -> None:
        super().__init__(fault.value, message, recoverable=recoverable)
        self.fault = fault


@contextmanager
def writing_into(directory: Path) -> Iterator[None]:
    """Word a failed write below ``directory`` as a ``ModelError`` that says what to do."""
    try:
        yield
    except OSError as failure:
        if failure.errno in _FULL:
            raise ModelError(
                ModelFault.DISK_FULL,
                f"no space left below {directory}: make room and get the model again",
                recoverable=True,
            ) from failure
        raise ModelError(
            ModelFault.NOT_WRITABLE, f"cannot write below {directory}: {failure}"
        ) from failure
