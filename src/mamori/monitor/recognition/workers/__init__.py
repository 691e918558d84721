"""Worker processes that decode: a pool on the node's side, a template that forks, the workers."""

from mamori.monitor.recognition.workers.pool import PoolListener, WorkerPool
from mamori.monitor.recognition.workers.spec import EngineSpec

__all__ = ["EngineSpec", "PoolListener", "WorkerPool"]
