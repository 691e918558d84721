"""Archives from outside: the honest ones come out whole, the others not at all."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mamori.monitor.recognition.models import ModelError, ModelFault
from mamori.monitor.recognition.models.unpack import unpack_zip

LIMIT_BYTES = 400_000_000


def entry(
    name: str, mode: int = stat.S_IFREG | 0o644, *, compressed: bool = True
) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    return info


def packed(*entries: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in entries:
            archive.writestr(info, content)
    return target.getvalue()


def named(name: str) -> bytes:
    return packed(("top/good", b"good"), (entry(name), b"evil"))


def special(mode: int) -> bytes:
    return packed(("top/good", b"good"), (entry("top/evil", mode), b"/etc/passwd"))


def with_raw_name(name: bytes) -> bytes:
    """``zipfile`` itself would not write such a name."""
    placeholder = b"N" * len(name)
    archive = packed(("top/good", b"good"), (entry(placeholder.decode()), b"evil"))
    return archive.replace(placeholder, name)


def twice(first: str, second: str) -> bytes:
    placeholder = "X" * len(second)
    archive = packed((first, b"one"), (placeholder, b"two"))
    return archive.replace(placeholder.encode(), second.encode())


def bomb() -> bytes:
    return packed(("top/zeros", b"\0" * 200_000_000))


def hidden_bomb() -> bytes:
    """Small enough as a whole, but one entry unpacks a thousandfold."""
    noise = entry("top/noise", compressed=False)
    return packed((noise, bytes(range(256)) * 4096), ("top/zeros", b"\0" * 20_000_000))


def overlapping() -> bytes:
    """Two names for the same bytes, as in archives that hold far more than they weigh."""
    archive = bytearray(
        packed((entry("top/a", compressed=False), b"x" * 500_000), ("top/b", b"y" * 10))
    )
    at = archive.rindex(b"PK\x01\x02")
    archive[at + 42 : at + 46] = struct.pack("<I", 0)
    return bytes(archive)


def encrypted() -> bytes:
    archive = bytearray(packed(("top/a", b"x")))
    at = archive.index(b"PK\x01\x02")
    archive[at + 8 : at + 10] = struct.pack("<H", 1)
    return bytes(archive)


def tar_escape() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        info = tarfile.TarInfo("../evil")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"evil"))
    return target.getvalue()


EVIL: dict[str, Callable[[], bytes]] = {
    "climbs out of the folder": lambda: named("../evil"),
    "climbs out from inside": lambda: named("top/../../evil"),
    "is absolute": lambda: named("/tmp/evil"),
    "names a drive": lambda: named("C:/evil"),
    "uses backslashes": lambda: with_raw_name(b"..\\evil"),
    "has an empty part": lambda: named("top//evil"),
    "has a dot as a part": lambda: named("top/./evil"),
    "hides its name behind NUL": lambda: with_raw_name(b"top/good2\0../evil"),
    "has a line break in a name": lambda: named("top/ev\nil"),
    "holds a symbolic link": lambda: special(stat.S_IFLNK | 0o777),
    "holds a character device": lambda: special(stat.S_IFCHR | 0o666),
    "holds a block device": lambda: special(stat.S_IFBLK | 0o666),
    "holds a pipe": lambda: special(stat.S_IFIFO | 0o666),
    "holds a socket": lambda: special(stat.S_IFSOCK | 0o666),
    "claims that a file is a folder": lambda: special(stat.S_IFDIR | 0o755),
    "names a file twice": lambda: twice("top/a", "top/a"),
    "names a file twice but for case": lambda: twice("top/a", "top/A"),
    "puts a file inside a file": lambda: twice("top/a", "top/a/b"),
    "is a bomb of zeros": bomb,
    "hides a bomb beside noise": hidden_bomb,
    "uses the same bytes twice": overlapping,
    "is encrypted": encrypted,
    "is empty": packed,
    "is a tar archive": tar_escape,
    "is a text": lambda: b"<html>not here</html>",
    "is nothing": lambda: b"",
    "was cut short": lambda: packed(("top/a", bytes(range(256)) * 64))[:-30],
}


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("kind", EVIL)
def test_nothing_is_written_when_an_archive(kind: str, tmp_path: Path) -> None:
    archive = tmp_path / "in" / "evil.zip"
    archive.parent.mkdir()
    archive.write_bytes(EVIL[kind]())
    before = tree(tmp_path)
    with pytest.raises(ModelError) as caught:
        unpack_zip(archive, tmp_path / "in" / "out", limit_bytes=LIMIT_BYTES)
    assert caught.value.fault is ModelFault.ARCHIVE_REFUSED
    assert "evil.zip is refused, nothing was unpacked" in str(caught.value)
    assert tree(tmp_path) == before


def test_the_small_bomb_is_as_small_as_it_looks() -> None:
    assert len(bomb()) < 250_000


@pytest.fixture
def honest(tmp_path: Path) -> Path:
    archive = tmp_path / "honest.zip"
    noise = hashlib.shake_256(b"noise").digest(100_000)
    archive.write_bytes(packed(("top/", b""), ("top/am/final.mdl", noise), ("top/README", b"hi")))
    return archive


def test_an_honest_archive_comes_out_whole_without_its_top_folder(
    honest: Path, tmp_path: Path
) -> None:
    heard: list[tuple[int, int]] = []
    folder = tmp_path / "out"
    pins = unpack_zip(
        honest, folder, limit_bytes=100_002, wrote=lambda *progress: heard.append(progress)
    )
    assert tree(folder) == {"am", "am/final.mdl", "README"}
    for pin in pins:
        content = (folder / pin.path).read_bytes()
        assert (pin.size_bytes, pin.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert heard[-1] == (100_002, 100_002)


def test_an_archive_without_a_top_folder_keeps_its_paths(tmp_path: Path) -> None:
    archive = tmp_path / "flat.zip"
    archive.write_bytes(packed(("am/final.mdl", b"1"), ("README", b"2")))
    unpack_zip(archive, tmp_path / "out", limit_bytes=10)
    assert tree(tmp_path / "out") == {"am", "am/final.mdl", "README"}


def test_one_byte_over_the_limit_is_refused(honest: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="100002 bytes, allowed are 100001"):
        unpack_zip(honest, tmp_path / "out", limit_bytes=100_001)
    assert not (tmp_path / "out").exists()


def test_a_small_table_of_zeros_is_no_bomb(tmp_path: Path) -> None:
    archive = tmp_path / "zeros.zip"
    noise = hashlib.shake_256(b"noise").digest(100_000)
    archive.write_bytes(packed(("top/zeros", b"\0" * (1 << 20)), ("top/noise", noise)))
    unpack_zip(archive, tmp_path / "out", limit_bytes=LIMIT_BYTES)
    assert (tmp_path / "out" / "zeros").stat().st_size == 1 << 20


def test_a_flipped_bit_inside_is_noticed(honest: Path, tmp_path: Path) -> None:
    content = bytearray(honest.read_bytes())
    content[50_000] ^= 1
    honest.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        unpack_zip(honest, tmp_path / "out", limit_bytes=LIMIT_BYTES)
    assert caught.value.fault is ModelFault.ARCHIVE_REFUSED
