"""Keys and addresses that are secret: from the settings, from files, or made at the first start."""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mamori.config.settings import Settings
from mamori.errors import ConfigError

DEFAULT_TENANT = "default"


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A key that was made because none was configured."""

    tenant: str
    file: Path


def tenant_keys(settings: Settings) -> tuple[Mapping[str, tuple[str, ...]], CreatedKey | None]:
    """Every tenant's keys. Without tenants, ``default`` gets a key in the data folder.

    ConfigError names every tenant without a key and every file that cannot be read.
    """
    telephony = settings.telephony
    names = tuple(settings.tenants) or (DEFAULT_TENANT,)
    if telephony.vosk_listen_port is not None and telephony.vosk_tenant not in names:
        # Alerts of a tenant that does not exist would reach no reader.
        raise ConfigError(
            [
                f"telephony.vosk_tenant: {telephony.vosk_tenant!r} is no tenant "
                f"(allowed: {', '.join(names)})"
            ]
        )
    if not settings.tenants:
        file = settings.node.data_dir / "keys" / DEFAULT_TENANT
        created = None
        if not file.exists():
            _write_once(file, secrets.token_urlsafe(32))
            created = CreatedKey(DEFAULT_TENANT, file)
        return {DEFAULT_TENANT: (_read_secret_file(file),)}, created
    problems: list[str] = []
    keys: dict[str, tuple[str, ...]] = {}
    for tenant, section in settings.tenants.items():
        found = [key.get_secret_value() for key in section.keys]
        if section.keys_file is not None:
            try:
                found += _read_secret_file(section.keys_file).split()
            except ConfigError as error:
                problems += [f"tenants.{tenant}.keys_file: {p}" for p in error.problems]
                continue
        if not found:
            problems.append(f"tenants.{tenant}: needs keys or keys_file")
        keys[tenant] = tuple(found)
    if problems:
        raise ConfigError(problems)
    return keys, None


def node_id(data_dir: Path) -> str:
    """A name of this node that no other has, made at its first start; no secret."""
    file = data_dir / "node_id"
    if not file.exists():
        _write_once(file, uuid.uuid4().hex)
    return _read_secret_file(file)


def redis_url(settings: Settings) -> str | None:
    """The store's address, None for the embedded one; ConfigError when its file is no good."""
    store = settings.store
    if store.redis_url is not None:
        return store.redis_url.get_secret_value()
    if store.redis_url_file is not None:
        return _read_secret_file(store.redis_url_file)
    return None


def _write_once(file: Path, text: str) -> None:
    """Write whole or not at all: a half-written key would lock the operator out."""
    temporary = file.with_suffix(".new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(text + "\n")
        temporary.replace(file)
    except OSError as error:
        raise ConfigError([f"{file}: cannot be written: {error.strerror}"]) from error


def _read_secret_file(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError([f"{file}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: not a text file"]) from error
    if not text:
        raise ConfigError([f"{file}: is empty"])
    return text
