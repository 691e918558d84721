"""How the embedded server runs, and the configuration file that makes it so."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

# What the server's user may do: everything with Mamori's keys, nothing with the server itself. The
# same rights are recommended for a server of the firm's own.
_RIGHTS: Final = (
    "user default on nopass resetkeys ~mamori:* resetchannels &mamori:* "
    "+@all -@dangerous +info +role +config|get"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedConfig:
    """How the embedded server runs."""

    # The journal is the truth and fills the stream again: one second of a power cut costs nothing.
    # ``always`` costs 4 ms a write (one fsync), ``everysec`` 0.04 ms.
    fsync: Literal["everysec", "always"] = "everysec"
    # 100,000 alerts of 2 kB twice over. When full, writing is refused and nothing is evicted.
    maxmemory_bytes: int = 512 * 1024 * 1024
    # Loading 512 MB of log takes some seconds on a slow disk.
    start_timeout_s: float = 30.0
    # Writing out the log at the end; then the server is killed.
    stop_timeout_s: float = 10.0
    restart_first_s: float = 0.1
    restart_longest_s: float = 5.0
    # Where sockets go when the data folder's path is too long; None: the temporary folder.
    runtime_dir: Path | None = None

    def __post_init__(self) -> None:
        if self.fsync not in ("everysec", "always"):
            raise ValueError(f"fsync must be everysec or always, not {self.fsync!r}")
        for name, value, low, high in (
            ("maxmemory_bytes", self.maxmemory_bytes, 8 * 1024 * 1024, 1 << 50),
            ("start_timeout_s", self.start_timeout_s, 0.1, 3_600),
            ("stop_timeout_s", self.stop_timeout_s, 0.1, 600),
            ("restart_first_s", self.restart_first_s, 0.01, 60),
            ("restart_longest_s", self.restart_longest_s, self.restart_first_s, 600),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} must be in [{low}, {high}], not {value}")


def server_config(config: EmbeddedConfig, socket: Path) -> str:
    """The server's configuration file, for a server that listens at ``socket`` only."""
    return "\n".join(
        (
            "port 0",
            f"unixsocket {_quoted(socket)}",
            "unixsocketperm 700",
            "dir ./",
            "appendonly yes",
            f"appendfsync {config.fsync}",
            # A log cut off by a power failure is read up to the cut.
            "aof-load-truncated yes",
            # The log is the data; a snapshot beside it would never be read.
            'save ""',
            "shutdown-on-sigterm default",
            f"maxmemory {config.maxmemory_bytes}",
            "maxmemory-policy noeviction",
            "enable-debug-command no",
            "enable-module-command no",
            "enable-protected-configs no",
            _RIGHTS,
            "",
        )
    )


def _quoted(path: Path) -> str:
    """A path as the server's configuration reads it, whatever bytes it has."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-"
    return (
        '"'
        + "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in os.fsencode(path))
        + '"'
    )
