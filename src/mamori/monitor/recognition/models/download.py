"""Fetching a file over HTTP: resumed where it broke off, bounded in time, size and attempts."""

from __future__ import annotations

import http.client
import random
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mamori import __version__
from mamori.monitor.recognition.models.errors import ModelError, ModelFault, writing_into
from mamori.monitor.recognition.models.spec import URL_PATTERN

# Answers that another attempt may change (RFC 9110: timeout, too many requests, server's trouble).
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_PARTIAL = 206
_RANGE_REFUSED = 416
# A step of one socket read: progress moves often, memory stays small.
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadPolicy:
    """How patient a download is.

    ``timeout_s`` for connecting and for each wait on the line, (0, 600]. ``attempts`` in all,
    [1, 100]; ``unreached_attempts`` in a row that find nobody there. An attempt that brings less
    than ``slowest_bytes_per_s`` over ``slow_window_s`` is ended.
    """

    # A distant server answers within a few seconds; 20 s outlasts a stumbling line.
    timeout_s: float = 20.0
    # Each attempt resumes, so eight outlast a line that breaks every hundred megabytes.
    attempts: int = 8
    # A machine without a network should say so within seconds.
    unreached_attempts: int = 3
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0
    # At 8 KiB/s the smallest model would take an hour and a half: such a line is stuck.
    slowest_bytes_per_s: int = 8 * 1024
    slow_window_s: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s <= 600:
            raise ValueError(f"timeout_s is {self.timeout_s}, allowed is (0, 600]")
        if not 1 <= self.attempts <= 100:
            raise ValueError(f"attempts is {self.attempts}, allowed is [1, 100]")
        if self.unreached_attempts < 1:
            raise ValueError(
                f"unreached_attempts is {self.unreached_attempts}, allowed is 1 or more"
            )
        if not 0 <= self.first_wait_s <= self.longest_wait_s <= 3600:
            raise ValueError(
                f"first_wait_s is {self.first_wait_s}, longest_wait_s is {self.longest_wait_s}, "
                "allowed is 0 <= first_wait_s <= longest_wait_s <= 3600"
            )
        if self.slowest_bytes_per_s < 0 or self.slow_window_s <= 0:
            raise ValueError("slowest_bytes_per_s is 0 or more, slow_window_s is more than 0")


class _BrokenOffError(Exception):
    """An attempt failed in a way that another one may mend; ``reached``: somebody was there."""

    def __init__(self, why: str, *, reached: bool = True) -> None:
        super().__init__(why)
        self.reached = reached


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, never to anything less than HTTPS."""

    # A publisher's mirror is one or two hops away.
    max_redirections = 5

    def redirect_request(  # noqa: PLR0917 (the library's signature)
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            _must_be_allowed(newurl)
        except ModelError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _must_be_allowed(url: str) -> None:
    if re.fullmatch(URL_PATTERN, url) is None:
        raise ModelError(
            ModelFault.DOWNLOAD_REFUSED,
            f"{url} is refused: models are fetched over https only",
        )


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc


def _open(url: str, policy: DownloadPolicy, offset_bytes: int) -> http.client.HTTPResponse:
    """Ask for ``url`` from ``offset_bytes`` on; ``_BrokenOffError`` where it may work later."""
    _must_be_allowed(url)
    headers = {"User-Agent": f"mamori/{__version__}", "Accept-Encoding": "identity"}
    if offset_bytes:
        headers["Range"] = f"bytes={offset_bytes}-"
    handlers: list[urllib.request.BaseHandler] = [_Redirects()]
    if _host(url).startswith("127.0.0.1"):
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (checked above)
    try:
        response: http.client.HTTPResponse = opener.open(request, timeout=policy.timeout_s)
    except urllib.error.HTTPError as failure:
        failure.close()
        if failure.code in _TRY_AGAIN or failure.code == _RANGE_REFUSED:
            raise _BrokenOffError(f"answered {failure.code}") from failure
        raise ModelError(
            ModelFault.DOWNLOAD_REFUSED, f"{_host(url)} answered {failure.code} for {url}"
        ) from failure
    except urllib.error.URLError as failure:
        if isinstance(failure.reason, ssl.SSLCertVerificationError):
            raise ModelError(
                ModelFault.UNREACHABLE, f"{_host(url)} has no valid certificate: {failure.reason}"
            ) from failure
        raise _BrokenOffError(str(failure.reason), reached=False) from failure
    except (OSError, http.client.HTTPException) as failure:
        raise _BrokenOffError(str(failure) or type(failure).__name__) from failure
    return response


class Downloader:
    """Fetches files with one policy; ``sleep``, ``clock`` and ``jitter`` are replaceable."""

    def __init__(
        self,
        policy: DownloadPolicy | None = None,
        *,
        sleep: Callable[[float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy or DownloadPolicy()
        self._sleep = sleep or time.sleep
        self._clock = clock
        self._jitter = jitter

    def fetch(
        self,
        url: str,
        part: Path,
        *,
        size_bytes: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Make ``part`` hold all ``size_bytes`` of ``url``, continuing what it already holds.

        ``ModelError`` (unreachable, refused, wrong size, disk full). What was received stays in
        ``part`` for the next time, unless the disk is full or the size is wrong.
        """

        def attempt() -> None:
            self._receive(url, part, size_bytes, progress or (lambda _done, _total: None))

        self._persist(url, attempt)

    def read(self, url: str, *, limit_bytes: int) -> bytes:
        """A small document in memory, of at most ``limit_bytes``."""
        content = b""

        def attempt() -> None:
            nonlocal content
            with _open(url, self._policy, 0) as response:
                try:
                    content = response.read(limit_bytes + 1)
                except (OSError, http.client.HTTPException) as failure:
                    raise _BrokenOffError(str(failure)) from failure

        self._persist(url, attempt)
        if len(content) > limit_bytes:
            raise ModelError(
                ModelFault.DOWNLOAD_REFUSED, f"{url} is larger than {limit_bytes} bytes"
            )
        return content

    def _persist(self, url: str, attempt: Callable[[], None]) -> None:
        unreached = 0
        for number in range(1, self._policy.attempts + 1):
            try:
                return attempt()
            except _BrokenOffError as failure:
                unreached = 0 if failure.reached else unreached + 1
                if self._policy.attempts == number or self._policy.unreached_attempts == unreached:
                    raise ModelError(
                        ModelFault.UNREACHABLE,
                        f"{_host(url)} is not reachable ({failure}): connect this machine, or "
                        "put the model into the models directory by hand",
                        recoverable=True,
                    ) from failure
            longest = min(
                self._policy.longest_wait_s, self._policy.first_wait_s * 2.0 ** (number - 1)
            )
            # Half fixed, half chance: machines that lost one server do not return at once.
            self._sleep(longest * (0.5 + 0.5 * self._jitter()))
        return None

    def _receive(
        self, url: str, part: Path, size_bytes: int, progress: Callable[[int, int], None]
    ) -> None:
        have_bytes = part.stat().st_size if part.exists() else 0
        if have_bytes > size_bytes:
            part.unlink()
            have_bytes = 0
        if have_bytes == size_bytes:
            return
        try:
            response = _open(url, self._policy, have_bytes)
        except _BrokenOffError as failure:
            if have_bytes and str(_RANGE_REFUSED) in str(failure):
                part.unlink()
            raise
        with response:
            try:
                start_bytes = _start_of(response, have_bytes, size_bytes, url)
                with writing_into(part.parent), part.open("r+b" if start_bytes else "wb") as file:
                    file.seek(start_bytes)
                    self._copy(response, file, start_bytes, size_bytes, progress)
            except ModelError:
                part.unlink(missing_ok=True)
                raise

    def _copy(
        self,
        response: http.client.HTTPResponse,
        file: IO[bytes],
        start_bytes: int,
        size_bytes: int,
        progress: Callable[[int, int], None],
    ) -> None:
        done_bytes = window_bytes = start_bytes
        window_start_s = self._clock()
        while chunk := self._next_chunk(response):
            done_bytes += len(chunk)
            if done_bytes > size_bytes:
                raise ModelError(
                    ModelFault.DOWNLOAD_MISMATCH,
                    f"{file.name}: more than the expected {size_bytes} bytes came",
                )
            file.write(chunk)
            progress(done_bytes, size_bytes)
            elapsed_s = self._clock() - window_start_s
            if elapsed_s >= self._policy.slow_window_s:
                if done_bytes - window_bytes < elapsed_s * self._policy.slowest_bytes_per_s:
                    raise _BrokenOffError("the line only drips")
                window_start_s, window_bytes = self._clock(), done_bytes
        if done_bytes < size_bytes:
            raise _BrokenOffError(f"broke off after {done_bytes} of {size_bytes} bytes")

    @staticmethod
    def _next_chunk(response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read1(_CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as failure:
            raise _BrokenOffError(str(failure) or type(failure).__name__) from failure


def _start_of(
    response: http.client.HTTPResponse, have_bytes: int, size_bytes: int, url: str
) -> int:
    """Where in the file the answer begins; ``ModelError`` where its size cannot be right."""
    start_bytes = 0
    total: int | None = None
    if response.status == _PARTIAL:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.getheader("Content-Range", ""))
        if match is None or int(match[1]) != have_bytes:
            raise ModelError(
                ModelFault.DOWNLOAD_REFUSED,
                f"{_host(url)} answers a range of {url} that was not asked for",
            )
        start_bytes = have_bytes
        total = None if match[2] == "*" else int(match[2])
    elif (length := response.getheader("Content-Length", "")).isdigit():
        total = int(length)
    if total is not None and total != size_bytes:
        raise ModelError(
            ModelFault.DOWNLOAD_MISMATCH,
            f"{url} has {total} bytes, expected are {size_bytes}: the catalogue is out of date "
            "or the file was exchanged",
        )
    return start_bytes
