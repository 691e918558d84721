#!/usr/bin/env python3
"""Writes docs/settings.md from the settings themselves: ``tools/write_settings_reference.py``.

Names, allowed values and defaults come from the typed model; the reasons from the comments beside
the defaults, in its source and in that of the parts which it configures. What a key does is said
here: a key without a sentence, and a sentence without its key, end the script. ``--check`` writes
nothing and fails where the file is not current.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mamori.config import settings
from mamori.config.settings import ENV_CONFIG_FILE, ENV_PREFIX, Settings
from mamori.telephony.limits import TelephonyConfig
from mamori.telephony.registry import RegistryConfig

REPOSITORY: Final = Path(__file__).resolve().parent.parent
TARGET: Final = REPOSITORY / "docs" / "settings.md"
# The tenant's name is the firm's own: in the file `[tenants.<tenant>]`, in a variable `<TENANT>`.
TENANT: Final = "<tenant>"

HEAD: Final = f"""# Settings

<!-- Written by tools/write_settings_reference.py from the typed settings; do not edit by hand. -->

A node reads one TOML file and the environment, once, at its start: a change needs a restart.

- The file is the one that `--config` names, else `${ENV_CONFIG_FILE}`, else `mamori.toml` in the
  working directory. None is needed: every key has a default.
- A variable `{ENV_PREFIX}<SECTION>__<KEY>` (two underscores) overrides the file. Lists come as
  `a,b`.
- A secret is better given as a file that only the node's user can read: the keys that end in
  `_file`.
- Unknown keys and variables are refused. Every mistake is reported at once, with its file or
  variable, its key and what is allowed; the exit code is then 2.

[mamori.example.toml](mamori.example.toml) holds every key. The firm's policy (clauses, thresholds,
guidance) is a file of its own: [policy.md](policy.md). The limits of the wire protocols that are no
settings are in [protocol.md](protocol.md).
"""

SECTIONS: Final[Mapping[str, str]] = {
    "node": "The process itself.",
    "telephony": "Where call audio comes in, and how long a silent line is waited for.",
    "tenants": "One section for each firm or site: `[tenants.tokyo]`, `[tenants.osaka]`. Without "
    "any, there is one tenant `default`, and its key is made at the first start in `keys/default` "
    "of the data folder.",
    "recognition": "Speech to text. Models: [models.md](models.md).",
    "policy": "What the firm decided. The files themselves: [policy.md](policy.md).",
    "store": "Where alerts are delivered. Without an address Mamori runs its own Valkey, reached "
    "by a unix socket only, with its data on disk.",
    "health": "`/livez`, `/readyz` and `/metrics`: no words, no numbers, no keys. "
    "See [operations.md](operations.md).",
}

MEANINGS: Final[Mapping[str, str]] = {
    "node.data_dir": "The folder for what must last: the journal, the embedded store and the key "
    "made at the first start. One node has it at a time.",
    "node.runtime_dir": "Where the embedded store's socket goes if the path of the data folder is "
    "too long for one.",
    "node.log_level": "The least important lines that are still logged.",
    "node.log_format": "`text` for a terminal, `json` for one JSON object a line.",
    "node.language": "The language of messages (English for any but `ja`), and of calls for which "
    "neither the telephone system nor the tenant names one.",
    "node.journal_retention_days": "How long the journal keeps alerts that are in the stream. The "
    "latest entry of an open alert, and what is not yet in the stream, stay whatever their age.",
    "telephony.listen_host": "The address on which calls are taken.",
    "telephony.listen_port": "Its port; 0 takes any free one.",
    "telephony.vosk_listen_host": "The address of a second port, for clients of vosk-server.",
    "telephony.vosk_listen_port": "Its port. Not set: there is no such address.",
    "telephony.vosk_tenant": "Whose calls those are.",
    "telephony.vosk_allow_network": "Lets `vosk_listen_host` be something other than this machine. "
    "Whoever reaches the port can then send audio.",
    "telephony.tls_certificate_file": "The certificate chain (PEM). With it, calls are taken over "
    "TLS 1.2 or newer only; needs `tls_key_file`.",
    "telephony.tls_key_file": "The certificate's private key (PEM).",
    "telephony.first_message_timeout_ms": "How long a new connection may stay silent.",
    "telephony.idle_timeout_ms": "How long a call may go without audio before it is ended.",
    "telephony.grace_ms": "How long a call waits for its lost connection to come back.",
    "telephony.max_calls_per_tenant": "Calls of one tenant at a time; more are refused.",
    "tenants.keys": "The keys with which telephone systems prove that they speak for this tenant; "
    "several, while one is replaced by another.",
    "tenants.keys_file": "A file with such keys, one a line. Both may be given.",
    "tenants.language": "The language of this tenant's calls that name none. Not set: that of the "
    "node.",
    "recognition.engine": "`vosk` gives words while they are spoken, `whisper` exact words at the "
    "end of each utterance, `vosk+whisper` both. `auto` takes what is installed and has a verified "
    "model, and says what and why. `none`: the sound of the voice and the call's length only.",
    "recognition.languages": "The languages of the calls that come.",
    "recognition.models_dir": "Where speech models are kept.",
    "recognition.fetch": "Whether `auto` may download a model that is missing.",
    "recognition.workers": "Processes that decode. Not set: one for each core.",
    "recognition.use_ratio": "How much of the machine calls may take before new ones are refused.",
    "recognition.hints": "Whether Vosk also listens for whole phrases of the policy and hints at "
    "them while they are spoken. A hint is shown and alerts nobody.",
    "policy.file": "The policy file. Not set: the one that comes with Mamori.",
    "policy.phrase_files": "Phrase rules of the firm's own, beside those that come with Mamori.",
    "store.redis_url": "The address of a Redis (7.0 or newer) or Valkey server: `redis://`, "
    "`rediss://` (TLS), `unix://`, `redis+sentinel://`, `redis+cluster://` and the latter two with "
    "`rediss+`. It may hold a password, so it is kept out of logs.",
    "store.redis_url_file": "A file that holds the address. `redis_url` comes first.",
    "store.retention_days": "How long alerts stay in the stream; what a consumer group has not "
    "read yet stays longer.",
    "health.listen_host": "The address of the health page.",
    "health.enabled": "Whether there is such an address at all.",
    "health.listen_port": "Its port; 0 takes any free one.",
}

# Defaults that are worked out at run time, in words.
WORKED_OUT: Final[Mapping[str, str]] = {
    "node.runtime_dir": "`$XDG_RUNTIME_DIR`, else the temporary folder",
    "node.data_dir": "`$XDG_DATA_HOME/mamori`, else `~/.local/share/mamori`",
    "recognition.models_dir": "`$XDG_DATA_HOME/mamori/models`, else `~/.local/share/mamori/models`",
}
# Where the reasons of a section's defaults stand too: under the same names, in the part itself.
PARTS: Final[Mapping[str, tuple[type, ...]]] = {"telephony": (TelephonyConfig, RegistryConfig)}
_WIDTH: Final = 100
_FIELD: Final = re.compile(r"    ([a-z_]+): ")
_COMMENT: Final = re.compile(r"    # (.*)")


def main(arguments: list[str]) -> int:
    """Write the reference, or with ``--check`` compare it; the exit code."""
    text = reference()
    if "--check" in arguments:
        current = TARGET.read_text("utf-8") if TARGET.exists() else ""
        if current != text:
            print(f"{TARGET.relative_to(REPOSITORY)} is not current: run this without --check")
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


def reference() -> str:
    """The whole document; ValueError names every key without a sentence and the other way round."""
    keys = [f"{section}.{key}" for section, model in sections() for key in model.model_fields]
    problems = [f"{key} has no sentence" for key in keys if key not in MEANINGS]
    problems += [f"{key} is no setting" for key in MEANINGS if key not in keys]
    if problems:
        raise ValueError("; ".join(problems))
    return "\n".join([HEAD, *(_section(name, model) for name, model in sections())])


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """Each section's name and its model."""
    for name, field in Settings.model_fields.items():
        model = field.annotation
        if get_origin(model) is dict:
            model = get_args(model)[1]
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise ValueError(f"{name} is no section")
        yield name, model


def variable(section: str, key: str) -> str:
    """The environment variable of a key."""
    tenant = f"{TENANT.upper()}__" if section == "tenants" else ""
    return f"{ENV_PREFIX}{section.upper()}__{tenant}{key.upper()}"


def reasons(model: type) -> dict[str, str]:
    """The comment above each field of a class, in one line."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in inspect.getsource(model).splitlines():
        if said := _COMMENT.fullmatch(line):
            comment.append(said[1])
            continue
        if (field := _FIELD.match(line)) and comment:
            found[field[1]] = " ".join(comment)
        comment = []
    return found


def _section(name: str, model: type[BaseModel]) -> str:
    title = f"{name}.{TENANT}" if name == "tenants" else name
    because: dict[str, str] = {}
    for source in (*PARTS.get(name, ()), model):
        because |= reasons(source)
    blocks = [f"## `[{title}]`\n\n{_wrapped(SECTIONS[name])}\n"]
    for key, field in model.model_fields.items():
        place = f"{name}.{key}"
        facts = (
            f"`{variable(name, key)}` · default {_default(place, field)} · "
            f"{allowed(field.annotation, field.metadata)}"
        )
        reason = f"\n\n{_wrapped(f'*Why:* {because[key]}')}" if key in because else ""
        meaning = _wrapped(MEANINGS[place])
        blocks.append(f"### `{key}`\n\n{_wrapped(facts)}\n\n{meaning}{reason}\n")
    return "\n".join(blocks)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _default(place: str, field: FieldInfo) -> str:
    if place in WORKED_OUT:
        return WORKED_OUT[place]
    if field.default is PydanticUndefined:
        raise ValueError(f"{place}: say in WORKED_OUT what its default is")
    value = field.default
    if value is None or value == ():
        return "not set"
    if isinstance(value, tuple):
        return f"`{','.join(str(item) for item in value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def allowed(annotation: Any, metadata: list[Any]) -> str:  # noqa: ANN401
    """What a value may be, in words."""
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) is tuple:
        return f"list of {allowed(parts[0], [])}"
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    if parts:
        return allowed(parts[0], metadata)
    if annotation in {int, float}:
        low = next(bound.ge for bound in metadata if isinstance(bound, Ge))
        high = next(bound.le for bound in metadata if isinstance(bound, Le))
        return f"{low} to {high}"
    names: Mapping[Any, str] = {
        bool: "`true` or `false`",
        str: "text",
        Path: "path",
        SecretStr: "secret",
    }
    return names[annotation]


if __name__ == "__main__":
    # The model's comments are its reasons, so its source must be at hand.
    if not Path(settings.__file__ or "").is_file():
        sys.exit("the source of mamori.config.settings is not here")
    sys.exit(main(sys.argv[1:]))
