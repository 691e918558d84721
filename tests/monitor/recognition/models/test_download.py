"""Downloads against a real HTTP server."""

from __future__ import annotations

import itertools
import random
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mamori.monitor.recognition.models import Downloader, DownloadPolicy, ModelError, ModelFault

BODY = random.Random(3).randbytes(500_000)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "model.zip.part"


@pytest.fixture(autouse=True)
def offered(site: Any) -> None:
    site.content["/model.zip"] = BODY


def fetch(site: Any, downloader: Downloader, part: Path, size_bytes: int = len(BODY)) -> None:
    downloader.fetch(site.url("/model.zip"), part, size_bytes=size_bytes)


def fault_of(site: Any, downloader: Downloader, part: Path, **more: int) -> ModelError:
    with pytest.raises(ModelError) as caught:
        fetch(site, downloader, part, **more)
    return caught.value


def test_a_whole_file_arrives_and_progress_ends_at_its_size(
    site: Any, quick: Any, part: Path
) -> None:
    heard: list[tuple[int, int]] = []
    quick.downloader().fetch(
        site.url("/model.zip"),
        part,
        size_bytes=len(BODY),
        progress=lambda done, total: heard.append((done, total)),
    )
    assert part.read_bytes() == BODY
    assert heard[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_a_line_cut_midway_is_continued_where_it_broke(site: Any, quick: Any, part: Path) -> None:
    site.orders = ["cut 200000", "cut 100000", "whole"]
    fetch(site, quick.downloader(), part)
    assert part.read_bytes() == BODY
    assert site.ranges == [None, "bytes=200000-", "bytes=300000-"]


def test_what_an_earlier_run_received_is_not_fetched_again(
    site: Any, quick: Any, part: Path
) -> None:
    part.write_bytes(BODY[:123_456])
    fetch(site, quick.downloader(), part)
    assert part.read_bytes() == BODY
    assert site.ranges == ["bytes=123456-"]


def test_a_complete_part_asks_nobody(site: Any, quick: Any, part: Path) -> None:
    part.write_bytes(BODY)
    fetch(site, quick.downloader(), part)
    assert site.ranges == []


def test_a_part_larger_than_the_file_is_begun_anew(site: Any, quick: Any, part: Path) -> None:
    part.write_bytes(BODY + b"x")
    fetch(site, quick.downloader(), part)
    assert part.read_bytes() == BODY
    assert site.ranges == [None]


def test_a_server_without_ranges_sends_it_all_again(site: Any, quick: Any, part: Path) -> None:
    site.orders = ["cut 200000", "ignore-range"]
    fetch(site, quick.downloader(), part)
    assert part.read_bytes() == BODY


def test_a_refused_range_is_begun_anew(site: Any, quick: Any, part: Path) -> None:
    part.write_bytes(b"other")
    site.orders = ["416", "whole"]
    fetch(site, quick.downloader(), part)
    assert part.read_bytes() == BODY
    assert site.ranges == ["bytes=5-", None]


def test_a_range_that_was_not_asked_for_is_refused(site: Any, quick: Any, part: Path) -> None:
    site.orders = ["cut 200000", "wrong-range"]
    assert fault_of(site, quick.downloader(), part).fault is ModelFault.DOWNLOAD_REFUSED
    assert not part.exists()


def test_a_busy_server_is_asked_again_after_growing_waits(
    site: Any, quick: Any, part: Path
) -> None:
    site.orders = ["503", "503", "503", "whole"]
    fetch(site, quick.downloader(), part)
    assert part.read_bytes() == BODY
    # First 1 s, doubled each time; of each, half is fixed and half of the rest by this jitter.
    assert quick.waits == [0.75, 1.5, 3.0]


def test_waits_stay_below_the_longest(site: Any, quick: Any, part: Path) -> None:
    site.orders = ["503"]
    policy = DownloadPolicy(attempts=20, longest_wait_s=4.0)
    error = fault_of(site, quick.downloader(policy), part)
    assert error.fault is ModelFault.UNREACHABLE
    assert error.recoverable
    assert len(site.ranges) == 20
    assert max(quick.waits) == 3.0


def test_a_missing_file_is_not_asked_for_twice(site: Any, quick: Any, part: Path) -> None:
    site.orders = ["404"]
    error = fault_of(site, quick.downloader(), part)
    assert error.fault is ModelFault.DOWNLOAD_REFUSED
    assert "404" in str(error)
    assert len(site.ranges) == 1


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_file_of_another_size_is_refused_before_it_is_stored(
    site: Any, quick: Any, part: Path, difference: int
) -> None:
    error = fault_of(site, quick.downloader(), part, size_bytes=len(BODY) + difference)
    assert error.fault is ModelFault.DOWNLOAD_MISMATCH
    assert f"{len(BODY)} bytes" in str(error)
    assert f"{len(BODY) + difference}" in str(error)
    assert not part.exists()


def test_a_server_that_hides_the_size_cannot_send_more(site: Any, quick: Any, part: Path) -> None:
    site.orders = ["no-length"]
    error = fault_of(site, quick.downloader(), part, size_bytes=len(BODY) - 1)
    assert error.fault is ModelFault.DOWNLOAD_MISMATCH
    assert not part.exists()


def test_a_server_that_hangs_is_left_after_the_timeout(site: Any, quick: Any, part: Path) -> None:
    site.orders = ["hang", "whole"]
    fetch(site, quick.downloader(DownloadPolicy(timeout_s=0.2)), part)
    assert part.read_bytes() == BODY
    assert len(site.ranges) == 2


def test_a_line_that_drips_is_given_up(site: Any, quick: Any, part: Path) -> None:
    # A minute passes between two looks at the clock: 500 kB in all are below 8 KiB/s of it.
    minutes = itertools.count(step=61.0)
    policy = DownloadPolicy(attempts=2)
    error = fault_of(site, quick.downloader(policy, clock=lambda: next(minutes)), part)
    assert error.fault is ModelFault.UNREACHABLE
    assert "drips" in str(error)
    # What came is kept for the next time.
    assert part.exists()


def test_a_machine_without_a_network_says_so_in_one_line(quick: Any, part: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(ModelError) as caught:
        quick.downloader().fetch(f"http://127.0.0.1:{port}/model.zip", part, size_bytes=10)
    assert caught.value.fault is ModelFault.UNREACHABLE
    assert "\n" not in str(caught.value)
    assert sum(quick.waits) < 5


def test_a_redirect_is_followed(site: Any, quick: Any, part: Path) -> None:
    site.orders = [f"redirect {site.url('/model.zip')}", "whole"]
    fetch(site, quick.downloader(), part)
    assert part.read_bytes() == BODY


def test_redirects_in_a_circle_end(site: Any, quick: Any, part: Path) -> None:
    site.orders = [f"redirect {site.url('/model.zip')}"]
    assert fault_of(site, quick.downloader(), part).fault is ModelFault.DOWNLOAD_REFUSED
    assert len(site.ranges) <= 6


@pytest.mark.parametrize(
    "target", ["http://models.example/model.zip", "ftp://127.0.0.1/x", "file:///etc/passwd"]
)
def test_a_redirect_to_less_than_https_is_refused(
    site: Any, quick: Any, part: Path, target: str
) -> None:
    site.orders = [f"redirect {target}"]
    assert fault_of(site, quick.downloader(), part).fault is ModelFault.DOWNLOAD_REFUSED
    assert not part.exists()


@pytest.mark.parametrize(
    "url",
    [
        "http://models.example/m.zip",
        "http://127.0.0.1.example/m.zip",
        "http://127.0.0.1@models.example/m.zip",
        "file:///etc/passwd",
    ],
)
def test_a_plain_url_is_refused_before_anybody_is_asked(quick: Any, part: Path, url: str) -> None:
    with pytest.raises(ModelError) as caught:
        quick.downloader().fetch(url, part, size_bytes=10)
    assert caught.value.fault is ModelFault.DOWNLOAD_REFUSED


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow past 64 KiB: the kernel ends the write as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_leaves_nothing_half(site: Any, quick: Any, part: Path) -> None:
    error = fault_of(site, quick.downloader(), part)
    assert error.fault is ModelFault.DISK_FULL
    assert not part.exists()


def test_a_small_document_is_read_up_to_its_limit(site: Any, quick: Any) -> None:
    url = site.url("/model.zip")
    assert quick.downloader().read(url, limit_bytes=len(BODY)) == BODY
    with pytest.raises(ModelError) as caught:
        quick.downloader().read(url, limit_bytes=len(BODY) - 1)
    assert caught.value.fault is ModelFault.DOWNLOAD_REFUSED


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout_s": 0.0},
        {"timeout_s": 600.1},
        {"attempts": 0},
        {"attempts": 101},
        {"unreached_attempts": 0},
        {"first_wait_s": 31.0},
        {"slow_window_s": 0.0},
    ],
)
def test_a_policy_names_what_is_allowed(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DownloadPolicy(**wrong)
