"""Speech models: what the catalogue offers, what is on this machine, and how the rest gets here."""

from mamori.monitor.recognition.models.download import Downloader, DownloadPolicy
from mamori.monitor.recognition.models.errors import ModelError, ModelFault
from mamori.monitor.recognition.models.report import (
    FileProblem,
    ModelOrigin,
    ModelReport,
    ModelStatus,
)
from mamori.monitor.recognition.models.spec import (
    ArchiveSource,
    EngineName,
    FilePin,
    FolderSource,
    ModelSource,
    ModelSpec,
    PackageSource,
    PartsSource,
    Piece,
)
from mamori.monitor.recognition.models.store import ModelStore, Progress

__all__ = [
    "ArchiveSource",
    "DownloadPolicy",
    "Downloader",
    "EngineName",
    "FilePin",
    "FileProblem",
    "FolderSource",
    "ModelError",
    "ModelFault",
    "ModelOrigin",
    "ModelReport",
    "ModelSource",
    "ModelSpec",
    "ModelStatus",
    "ModelStore",
    "PackageSource",
    "PartsSource",
    "Piece",
    "Progress",
]
