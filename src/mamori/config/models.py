"""The catalogue of speech models: from its TOML file to the entries that recognition uses."""

from __future__ import annotations

import tomllib
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mamori.config.problems import NOT_TOML, describe
from mamori.errors import ConfigError
from mamori.monitor.recognition.models import (
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
from mamori.monitor.recognition.models.spec import (
    LANGUAGE_PATTERN,
    MD5_PATTERN,
    NAME_PATTERN,
    PACKAGE_PATTERN,
    SHA256_PATTERN,
    URL_PATTERN,
)

_CODE: Final = "bad_models"
_Url = Annotated[str, Field(pattern=URL_PATTERN)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Archive(_Section):
    url: _Url
    list_url: _Url | None = None
    size_bytes: int | None = Field(default=None, gt=0)
    md5: str | None = Field(default=None, pattern=MD5_PATTERN)
    sha256: str | None = Field(default=None, pattern=SHA256_PATTERN)
    unpacked_limit_bytes: int = Field(gt=0)

    def source(self) -> ArchiveSource:
        return ArchiveSource(**self.model_dump())

    @model_validator(mode="after")
    def _sound(self) -> _Archive:
        self.source()
        return self


class _Package(_Section):
    package: str = Field(pattern=PACKAGE_PATTERN)
    folder: str
    requirement: str = Field(min_length=1)

    def source(self) -> PackageSource:
        return PackageSource(**self.model_dump())

    @model_validator(mode="after")
    def _sound(self) -> _Package:
        self.source()
        return self


class _Piece(_Section):
    file: str
    package: str = Field(pattern=PACKAGE_PATTERN)
    path: str

    @model_validator(mode="after")
    def _sound(self) -> _Piece:
        Piece(**self.model_dump())
        return self


class _Parts(_Section):
    requirement: str = Field(min_length=1)
    # TOML has arrays, which strict validation would not take for a tuple.
    piece: list[_Piece] = Field(min_length=1)

    def source(self) -> PartsSource:
        pieces = tuple(Piece(**piece.model_dump()) for piece in self.piece)
        return PartsSource(pieces=pieces, requirement=self.requirement)


class _File(_Section):
    path: str
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=SHA256_PATTERN)

    @model_validator(mode="after")
    def _sound(self) -> _File:
        FilePin(**self.model_dump())
        return self


class _Model(_Section):
    name: str = Field(pattern=NAME_PATTERN)
    engine: Annotated[EngineName, Field(strict=False)]
    languages: list[Annotated[str, Field(pattern=LANGUAGE_PATTERN)]] = Field(min_length=1)
    licence: str = Field(min_length=1)
    size_listed: str = ""
    error_figures: str = ""
    auto_fetch: bool = False
    # At most one of the three; a model with none is put into its folder by hand.
    archive: _Archive | None = None
    package: _Package | None = None
    parts: _Parts | None = None
    file: list[_File] = Field(default_factory=list)

    @model_validator(mode="after")
    def _sound(self) -> _Model:
        self.spec()
        return self

    def spec(self) -> ModelSpec:
        given = [part for part in (self.archive, self.package, self.parts) if part is not None]
        if len(given) > 1:
            raise ValueError("archive, package and parts: at most one of them is allowed")
        source: ModelSource = given[0].source() if given else FolderSource()
        return ModelSpec(
            name=self.name,
            engine=self.engine,
            languages=tuple(self.languages),
            licence=self.licence,
            source=source,
            error_figures=self.error_figures,
            size_listed=self.size_listed,
            auto_fetch=self.auto_fetch,
            files=tuple(FilePin(**pin.model_dump()) for pin in self.file),
        )


class _Catalogue(_Section):
    model: list[_Model] = Field(min_length=1)


def load_catalogue(path: Path | None = None) -> tuple[ModelSpec, ...]:
    """Read a catalogue, the bundled one by default; ConfigError with every problem at once."""
    if path is None:
        bundled = resources.files("mamori.config") / "models.toml"
        return _parse(bundled.read_text(encoding="utf-8"), "models.toml")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"], code=_CODE) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 text: {error}"], code=_CODE) from error
    return _parse(text, str(path))


def _parse(text: str, source: str) -> tuple[ModelSpec, ...]:
    try:
        tree = tomllib.loads(text)
    except NOT_TOML as error:
        raise ConfigError([f"{source}: not a TOML file: {error}"], code=_CODE) from error
    try:
        catalogue = _Catalogue.model_validate(tree)
    except ValidationError as error:
        problems = [describe(p, _Catalogue, source) for p in error.errors(include_url=False)]
        raise ConfigError(problems, code=_CODE) from error
    counts = Counter(model.name for model in catalogue.model)
    problems = [
        f"{source}: model {name!r} is there {count} times (allowed: once)"
        for name, count in counts.items()
        if count > 1
    ]
    if problems:
        raise ConfigError(problems, code=_CODE)
    return tuple(model.spec() for model in catalogue.model)
