"""The errors that reach a person: a stable code, what went wrong where, and what is allowed."""

from __future__ import annotations


class MamoriError(Exception):
    """Base of every error that Mamori raises on purpose.

    ``code`` is a stable machine word, ``recoverable`` says whether trying again may help.
    """

    def __init__(self, code: str, message: str, *, recoverable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.recoverable = recoverable


class ConfigError(MamoriError):
    """Settings, policy or phrases are wrong; ``problems`` names every one of them at once."""

    def __init__(self, problems: list[str], *, code: str = "bad_config") -> None:
        super().__init__(code, "\n".join(problems))
        self.problems = problems
