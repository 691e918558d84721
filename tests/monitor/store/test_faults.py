"""Each error of the client becomes one stable word."""

from __future__ import annotations

import pytest
from redis import exceptions

from mamori.monitor.store.faults import fault_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (exceptions.ConnectionError("refused"), "unreachable"),
        (ConnectionResetError(104, "reset"), "unreachable"),
        (FileNotFoundError(2, "no socket"), "unreachable"),
        (exceptions.RedisClusterException("no node"), "unreachable"),
        (exceptions.TimeoutError("slow"), "timeout"),
        (TimeoutError(), "timeout"),
        (exceptions.BusyLoadingError("loading"), "loading"),
        (exceptions.ReadOnlyError("replica"), "read_only"),
        (exceptions.ResponseError("UNBLOCKED force unblock, instance state changed"), "read_only"),
        (exceptions.OutOfMemoryError("command not allowed"), "out_of_memory"),
        (
            exceptions.ResponseError("Error running script: OOM refused"),
            "out_of_memory",
        ),
        (exceptions.ResponseError("MISCONF Errors writing to the AOF file"), "disk_refused"),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas"), "no_replicas"),
        (exceptions.MasterDownError("link"), "no_primary"),
        (exceptions.ClusterDownError("CLUSTERDOWN Hash slot not served"), "no_primary"),
        (exceptions.TryAgainError("resharding"), "try_again"),
        (exceptions.AuthenticationError("wrong"), "forbidden"),
        (exceptions.NoPermissionError("xadd"), "forbidden"),
        (exceptions.ResponseError("WRONGTYPE Operation against a key"), "wrong_type"),
        (exceptions.ResponseError("BUSY Redis is busy running a script"), "busy"),
        (exceptions.ResponseError("Protocol error: invalid bulk length"), "too_large"),
        (exceptions.ResponseError("Elements are too large to be stored"), "too_large"),
        (exceptions.ResponseError("something new"), "refused"),
    ],
)
def test_an_error_is_told_by_its_kind_or_by_the_word_that_the_server_uses(
    error: BaseException, code: str
) -> None:
    assert fault_code(error) == code
