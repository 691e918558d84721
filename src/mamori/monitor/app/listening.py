"""What keeps a node from listening, as errors that name the setting."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator

from mamori.config.settings import TelephonySettings
from mamori.errors import ConfigError, MamoriError


@contextlib.contextmanager
def listening(section: str, host: str, port: int | None) -> Iterator[None]:
    """Turn what the system says of an address into ``cannot_listen``, naming section and address.

    ``port`` None: the server opens several, and the system's own words name the one.
    """
    try:
        yield
    except OSError as error:
        address = host if port is None else f"{host}:{port}"
        reason = error.strerror or str(error)
        raise MamoriError(
            "cannot_listen", f"[{section}] cannot listen on {address}: {reason}"
        ) from error


def check_certificate(telephony: TelephonySettings) -> None:
    """ConfigError where certificate and key cannot be read, or are none."""
    certificate, key = telephony.tls_certificate_file, telephony.tls_key_file
    if certificate is None or key is None:
        return
    problems: list[str] = []
    for name, file in (("tls_certificate_file", certificate), ("tls_key_file", key)):
        try:
            file.read_bytes()
        except OSError as error:
            problems.append(f"telephony.{name}: {file}: cannot be read: {error.strerror}")
    if problems:
        raise ConfigError(problems)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise ConfigError(
            [
                f"telephony.tls_certificate_file: {certificate} and {key} are no certificate with "
                f"its key, both in PEM form ({error.reason or 'not readable'})"
            ]
        ) from error
