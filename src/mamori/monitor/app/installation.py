"""What is installed and configured on this machine, before any call."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from mamori.config.settings import Settings
from mamori.errors import MamoriError
from mamori.monitor.app.engines import choose
from mamori.monitor.app.pipeline import Pipeline
from mamori.monitor.app.secrets import redis_url, tenant_keys
from mamori.monitor.store.client import check, connect
from mamori.monitor.store.embedded import server_binary
from mamori.monitor.store.faults import StoreFault, fault_code

# The journal's reserve (64 MB), the store's log and room to work.
_LEAST_FREE_BYTES: Final = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``key`` finds its texts; ``detail`` is shown as it is."""

    key: Literal["python", "policy", "keys", "recognition", "data_folder", "store"]
    state: Literal["ok", "failed", "degraded"]
    detail: str


async def inspect(settings: Settings) -> list[Check]:
    """Look at everything; made are the folder for data and a model whose pieces are installed."""
    checks = [Check("python", "ok", f"{platform.python_version()} {platform.machine()}")]
    checks += _local_checks(settings)
    checks.append(await _store(settings))
    return checks


def _local_checks(settings: Settings) -> Iterator[Check]:
    try:
        pipeline = Pipeline.load(
            languages=settings.recognition.languages,
            policy_file=settings.policy.file,
            phrase_files=settings.policy.phrase_files,
        )
        languages = ", ".join(pipeline.matchers)
        yield Check("policy", "ok", f"{pipeline.policy.version} ({languages})")
    except MamoriError as error:
        yield Check("policy", "failed", str(error))
    try:
        keys, _ = tenant_keys(settings)
        yield Check("keys", "ok", ", ".join(keys))
    except MamoriError as error:
        yield Check("keys", "failed", str(error))
    yield _recognition(settings)
    yield _data_folder(settings.node.data_dir)


def _recognition(settings: Settings) -> Check:
    recognition = settings.recognition
    try:
        choice = choose(
            engine=recognition.engine,
            languages=recognition.languages,
            models_dir=recognition.models_dir,
        )
    except MamoriError as error:
        return Check("recognition", "failed", str(error))
    words = bool(choice.stream_models or choice.utterance_model)
    reasons = "\n".join(reason.text(settings.node.language) for reason in choice.reasons)
    return Check("recognition", "ok" if words else "degraded", reasons)


def _data_folder(folder: Path) -> Check:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return Check("data_folder", "failed", f"{folder}: {error.strerror}")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check("data_folder", "failed", f"{folder}: not writable")
    free_bytes = shutil.disk_usage(folder).free
    state: Literal["ok", "degraded"] = "ok" if free_bytes >= _LEAST_FREE_BYTES else "degraded"
    return Check("data_folder", state, f"{folder}: {free_bytes // 2**20} MiB")


async def _store(settings: Settings) -> Check:
    try:
        url = redis_url(settings)
        if url is None:
            return Check("store", "ok", f"embedded ({server_binary().name})")
        client = connect(url)
        try:
            found = await check(client)
        finally:
            await client.aclose()
    except MamoriError as error:
        return Check("store", "failed", error.code)
    except StoreFault as error:
        return Check("store", "failed", fault_code(error))
    server = f"{found.product} {found.version}"
    if not found.warnings:
        return Check("store", "ok", server)
    return Check("store", "degraded", "; ".join([server, *(w.message for w in found.warnings)]))
