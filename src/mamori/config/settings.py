"""The settings of a node: typed, and the only reader of the environment and of settings files.

One TOML file, overridden by ``MAMORI_<SECTION>__<KEY>``. A secret can always be given as a file
instead (``redis_url_file``, ``keys_file``). Unknown keys are refused, and every error is reported
at once with its file or variable, its key and what is allowed.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from mamori.config.problems import NOT_TOML, describe, nearest
from mamori.errors import ConfigError

ENV_PREFIX: Final = "MAMORI_"
ENV_CONFIG_FILE: Final = "MAMORI_CONFIG"
ENV_KEY: Final = "MAMORI_KEY"
"""The key that `send` and `doctor` present; an option of theirs, no setting of a node."""
DEFAULT_CONFIG_FILE: Final = Path("mamori.toml")
_NO_SETTINGS: Final = frozenset({ENV_CONFIG_FILE, ENV_KEY})
_TENANT_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
Language = Literal["ja", "en", "ko"]


def _default_data_dir() -> Path:
    """Per-user data folder of the XDG base directory specification."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "mamori"


def _split_list(value: object) -> object:
    """Accept ``a,b`` and line breaks where a list is expected, as environment and files have it."""
    if isinstance(value, str):
        return [part.strip() for part in re.split(r"[,\n]", value) if part.strip()]
    return value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _default_runtime_dir() -> Path:
    """The user's folder for sockets, of the same specification, else the temporary one."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())


class NodeSettings(_Section):
    """The process itself."""

    data_dir: Path = Field(default_factory=_default_data_dir)
    # Used where the path of the data folder is too long for a socket (107 bytes).
    runtime_dir: Path = Field(default_factory=_default_runtime_dir)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # JSON for log collectors; text reads better at a terminal.
    log_format: Literal["text", "json"] = "text"
    language: Language = "ja"
    # An incident may be asked about for long after the call; each firm fixes its own period.
    journal_retention_days: int = Field(default=365, ge=1, le=3650)


class TelephonySettings(_Section):
    """Where call audio comes in. Limits and their reasons: ``docs/protocol.md``."""

    # Loopback: a node is opened to the network on purpose, never by accident.
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8765, ge=0, le=65535)
    # An address for clients of vosk-server that can send no key; off unless named.
    vosk_listen_host: str = "127.0.0.1"
    vosk_listen_port: int | None = Field(default=None, ge=0, le=65535)
    vosk_tenant: str = "default"
    # Without this, audio without a key is taken from this machine alone.
    vosk_allow_network: bool = False
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    first_message_timeout_ms: int = Field(default=5_000, ge=100, le=60_000)
    idle_timeout_ms: int = Field(default=30_000, ge=1_000, le=3_600_000)
    grace_ms: int = Field(default=2_000, ge=0, le=60_000)
    # Two cores carry about this many calls without recognition (bench/README.md).
    max_calls_per_tenant: int = Field(default=100, ge=1, le=10_000)

    @model_validator(mode="after")
    def _check_pairs(self) -> TelephonySettings:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file are given both or not at all")
        if (
            self.vosk_listen_port is not None
            and not self.vosk_allow_network
            and not is_loopback(self.vosk_listen_host)
        ):
            raise ValueError(
                f"vosk_listen_host {self.vosk_listen_host!r} is reachable from the network and "
                "asks for no key; keep 127.0.0.1 or set vosk_allow_network = true"
            )
        return self


class TenantSettings(_Section):
    """One firm or site: its keys (several while they are rotated) and its language."""

    keys: Annotated[tuple[SecretStr, ...], BeforeValidator(_split_list)] = ()
    keys_file: Path | None = None
    language: Language | None = None

    @field_validator("keys")
    @classmethod
    def _long_enough(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        # 16 characters of a random alphabet are beyond guessing over a network.
        if any(len(key.get_secret_value()) < 16 for key in keys):
            raise ValueError("each key needs at least 16 characters")
        return keys


class RecognitionSettings(_Section):
    """Speech to text."""

    engine: Literal["auto", "vosk", "whisper", "vosk+whisper", "none"] = "auto"
    languages: Annotated[tuple[Language, ...], BeforeValidator(_split_list)] = ("ja",)
    models_dir: Path = Field(default_factory=lambda: _default_data_dir() / "models")
    # Whether `auto` may download a model that is missing; a node never does so unasked.
    fetch: bool = False
    # One worker per core: more only makes every call late (measured, bench/README.md).
    workers: int | None = Field(default=None, ge=1, le=256)
    # Above it waiting times grow steeply: at 0.7 of two workers a decode waits as long as it takes.
    use_ratio: float = Field(default=0.7, ge=0.1, le=1.0)
    # Off: it costs 0.03 s of processor time a second of speech, and hears some that were not said.
    hints: bool = False


class PolicySettings(_Section):
    """The firm's policy, and phrases of its own."""

    file: Path | None = None
    phrase_files: Annotated[tuple[Path, ...], BeforeValidator(_split_list)] = ()


class StoreSettings(_Section):
    """Where alerts are delivered; without an address Mamori runs its own Valkey."""

    redis_url: SecretStr | None = None
    redis_url_file: Path | None = None
    # Alerts stay in the stream this long; the journal keeps them as well.
    retention_days: int = Field(default=30, ge=1, le=3650)


class HealthSettings(_Section):
    """``/livez``, ``/readyz`` and ``/metrics``; no words, no numbers, loopback unless changed."""

    enabled: bool = True
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8766, ge=0, le=65535)


class Settings(BaseSettings):
    """Everything that a node is told from outside."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        case_sensitive=False,
        # Lists come as `a,b`, which the sections split themselves; JSON is not asked of a shell.
        enable_decoding=False,
    )

    node: NodeSettings = NodeSettings()
    telephony: TelephonySettings = TelephonySettings()
    tenants: dict[str, TenantSettings] = Field(default_factory=dict)
    recognition: RecognitionSettings = RecognitionSettings()
    policy: PolicySettings = PolicySettings()
    store: StoreSettings = StoreSettings()
    health: HealthSettings = HealthSettings()

    @field_validator("tenants")
    @classmethod
    def _tenant_ids(cls, tenants: dict[str, TenantSettings]) -> dict[str, TenantSettings]:
        for tenant in tenants:
            if _TENANT_ID.fullmatch(tenant) is None:
                raise ValueError(
                    f"tenant id {tenant!r} must be 1-64 of a-z, 0-9, '-', '_' "
                    "and begin with a letter or digit"
                )
        return tenants


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(
    config_file: Path | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Read the settings; ConfigError with every problem at once.

    ``config_file`` defaults to ``$MAMORI_CONFIG``, else ``mamori.toml`` where that exists.
    """
    variables = os.environ if environ is None else environ
    path = _config_path(config_file, variables)
    from_file = _read_toml(path)
    problems = list(_unknown_variables(variables))

    class _Sources(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            env = _MappedEnv(settings_cls, variables)
            return (env, TomlConfigSettingsSource(settings_cls, path)) if path else (env,)

    settings: Settings | None = None
    try:
        settings = _Sources()
    except ValidationError as error:
        problems += [
            describe(problem, Settings, _source(_location(problem["loc"]), from_file, path))
            for problem in error.errors(include_url=False)
            # An unknown variable is reported above, under its own name.
            if problem["type"] != "extra_forbidden" or _holds(from_file, _location(problem["loc"]))
        ]
    if problems or settings is None:
        raise ConfigError(problems)
    return Settings.model_construct(**{name: getattr(settings, name) for name in _sections()})


class _MappedEnv(EnvSettingsSource):
    """The environment source, reading from a mapping so that tests need no real environment."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {
            name.lower(): value
            for name, value in self._environ.items()
            if name.upper() not in _NO_SETTINGS
        }


def _sections() -> dict[str, type[BaseModel]]:
    sections: dict[str, type[BaseModel]] = {}
    for name, field in Settings.model_fields.items():
        annotation = field.annotation
        args = get_args(annotation)
        model = args[-1] if args else annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            sections[name] = model
    return sections


def _config_path(config_file: Path | None, environ: Mapping[str, str]) -> Path | None:
    named = config_file or (
        Path(environ[ENV_CONFIG_FILE]) if environ.get(ENV_CONFIG_FILE) else None
    )
    if named is not None:
        if not named.is_file():
            raise ConfigError([f"{named}: there is no such settings file"])
        return named
    return DEFAULT_CONFIG_FILE if DEFAULT_CONFIG_FILE.is_file() else None


def _read_toml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except NOT_TOML as error:
        raise ConfigError([f"{path}: not a TOML file: {error}"]) from error
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    sections = _sections()
    for name in sorted(environ):
        upper = name.upper()
        if not upper.startswith(ENV_PREFIX) or upper in _NO_SETTINGS:
            continue
        section, *keys = upper.removeprefix(ENV_PREFIX).lower().split("__")
        model = sections.get(section)
        if model is None:
            yield f"{name}: unknown section {section!r}{nearest(section, sections)}"
            continue
        depth = 2 if section == "tenants" else 1
        if len(keys) != depth or keys[-1] not in model.model_fields:
            key = keys[-1] if keys else ""
            yield f"{name}: unknown key {key!r}{nearest(key, model.model_fields)}"


def _location(loc: tuple[int | str, ...]) -> list[str]:
    return [str(part) for part in loc]


def _source(location: list[str], from_file: dict[str, Any], path: Path | None) -> str:
    """The file or the variable that a value came from."""
    if _holds(from_file, location):
        return str(path)
    return f"{ENV_PREFIX}{'__'.join(location).upper()}"


def _holds(tree: object, location: list[str]) -> bool:
    for part in location:
        if isinstance(tree, dict) and part in tree:
            tree = tree[part]
        else:
            # An item of a list stands in the file with its list.
            return isinstance(tree, list)
    return True
