"""Getting models: from a server, from pieces, many at once; and what is done about damage."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mamori.monitor.recognition.models import (
    ArchiveSource,
    EngineName,
    FilePin,
    FolderSource,
    ModelError,
    ModelFault,
    ModelOrigin,
    ModelSpec,
    ModelStatus,
    ModelStore,
    PackageSource,
    PartsSource,
    Piece,
)
from mamori.monitor.recognition.models.lock import locked

NAME = "vosk-model-small-xx-0.1"
MakeSpec = Callable[..., ModelSpec]


def visible(directory: Path) -> set[str]:
    """What a search for models could take for one."""
    return {path.name for path in directory.iterdir() if not path.name.startswith(".")}


def left_over(directory: Path) -> set[str]:
    return {path.name for path in (directory / ".incoming").iterdir() if not path.match("*.lock")}


@pytest.fixture
def store(
    site: Any, quick: Any, tmp_path: Path, spec_for: MakeSpec, model_zip: bytes
) -> ModelStore:
    return ModelStore(tmp_path / "models", [spec_for(model_zip)], downloader=quick.downloader())


def fault_of(store: ModelStore, name: str = NAME) -> ModelError:
    with pytest.raises(ModelError) as caught:
        store.get(name)
    return caught.value


def test_a_model_is_fetched_verified_and_put_in_place(
    store: ModelStore, model_files: dict[str, bytes]
) -> None:
    assert store.locate(NAME) is None
    assert store.check(NAME).status is ModelStatus.MISSING
    steps: list[str] = []
    folder = store.get(NAME, lambda step, _done, _total: steps.append(step))
    assert folder == store.directory / NAME == store.locate(NAME)
    for path, content in model_files.items():
        assert (folder / path).read_bytes() == content
    assert list(dict.fromkeys(steps)) == ["download", "verify", "unpack"]
    report = store.check(NAME)
    assert report.status is ModelStatus.OK
    assert report.origin is ModelOrigin.DIRECTORY
    assert report.checked_bytes == sum(len(content) for content in model_files.values())
    assert visible(store.directory) == {NAME}
    assert left_over(store.directory) == set()


def test_a_model_that_is_here_is_not_fetched_again(store: ModelStore, site: Any) -> None:
    store.get(NAME)
    store.get(NAME)
    assert len(site.ranges) == 1


def test_a_cut_line_is_continued_by_the_next_get(store: ModelStore, site: Any) -> None:
    site.orders = ["cut 100000", "404"]
    assert fault_of(store).fault is ModelFault.DOWNLOAD_REFUSED
    assert visible(store.directory) == set()
    site.orders = ["whole"]
    assert store.get(NAME) == store.directory / NAME
    assert site.ranges == [None, "bytes=100000-", "bytes=100000-"]


@pytest.mark.parametrize("pin", [{"md5": "0" * 32}, {"sha256": "0" * 64}])
def test_a_wrong_checksum_is_refused_with_both_hashes(
    site: Any,
    quick: Any,
    tmp_path: Path,
    spec_for: MakeSpec,
    model_zip: bytes,
    pin: dict[str, str],
) -> None:
    store = ModelStore(tmp_path, [spec_for(model_zip, **pin)], downloader=quick.downloader())
    error = fault_of(store)
    ((algorithm, expected),) = pin.items()
    assert error.fault is ModelFault.DOWNLOAD_MISMATCH
    assert expected in str(error)
    assert hashlib.new(algorithm, model_zip).hexdigest() in str(error)
    assert visible(tmp_path) == set()
    assert left_over(tmp_path) == set()
    assert len(site.ranges) == 1


def test_a_piece_of_another_file_costs_one_more_download(store: ModelStore, site: Any) -> None:
    incoming = store.directory / ".incoming"
    incoming.mkdir(parents=True)
    (incoming / f"{NAME}.zip.part").write_bytes(b"what an older archive began with")
    store.get(NAME)
    assert site.ranges == ["bytes=32-", None]


def test_without_pins_the_publishers_list_is_asked(
    site: Any, quick: Any, tmp_path: Path, spec_for: MakeSpec, model_zip: bytes
) -> None:
    spec = spec_for(model_zip)
    assert isinstance(spec.source, ArchiveSource)
    md5 = spec.source.md5
    unpinned = replace(
        spec,
        source=replace(spec.source, size_bytes=None, md5=None, list_url=site.url("/list.json")),
    )
    store = ModelStore(tmp_path, [unpinned], downloader=quick.downloader())
    for poor in (b"[]", b"{", b'[{"name": "vosk-model-small-xx-0.1", "size": 0, "md5": ""}]'):
        site.content["/list.json"] = poor
        assert fault_of(store).fault is ModelFault.UNPINNED
    wrong = [{"name": NAME, "size": len(model_zip), "md5": "0" * 32}]
    site.content["/list.json"] = json.dumps(wrong).encode()
    assert fault_of(store).fault is ModelFault.DOWNLOAD_MISMATCH
    right = [{"name": "other"}, {"name": NAME, "size": len(model_zip), "md5": md5}]
    site.content["/list.json"] = json.dumps(right).encode()
    assert store.get(NAME) == tmp_path / NAME


def test_an_archive_that_is_no_model_never_looks_like_one(
    quick: Any, tmp_path: Path, spec_for: MakeSpec
) -> None:
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("top/am/final.mdl", b"only this")
    store = ModelStore(tmp_path, [spec_for(packed.getvalue())], downloader=quick.downloader())
    error = fault_of(store)
    assert error.fault is ModelFault.CORRUPT
    assert "conf/model.conf" in str(error)
    assert visible(tmp_path) == set()
    assert left_over(tmp_path) == set()


def test_a_half_unpacked_folder_is_cleared_away(store: ModelStore) -> None:
    half = store.directory / ".incoming" / f"{NAME}.unpacking" / "am"
    half.mkdir(parents=True)
    (half / "final.mdl").write_bytes(b"half")
    assert store.locate(NAME) is None
    store.get(NAME)
    assert left_over(store.directory) == set()


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [(flip_bit, "different"), (cut_short, "wrong size"), (Path.unlink, "missing")],
)
@pytest.mark.parametrize("path", ["am/final.mdl", "conf/mfcc.conf"])
def test_a_damaged_file_is_named_with_expected_and_actual_and_get_replaces_it(
    store: ModelStore,
    model_files: dict[str, bytes],
    damage: Callable[[Path], None],
    problem: str,
    path: str,
) -> None:
    folder = store.get(NAME)
    damage(folder / path)
    report = store.check(NAME)
    assert report.status is ModelStatus.CORRUPT
    (found,) = report.problems
    assert (found.file, found.problem) == (path, problem)
    with pytest.raises(ModelError) as caught:
        report.must_be_usable()
    assert caught.value.fault is ModelFault.CORRUPT
    message = str(caught.value)
    assert path in message
    if problem != "missing":
        assert hashlib.sha256(model_files[path]).hexdigest() in message
        assert hashlib.sha256((folder / path).read_bytes()).hexdigest() in message
    store.get(NAME)
    assert store.check(NAME).status is ModelStatus.OK
    assert (folder / path).read_bytes() == model_files[path]


def test_a_broken_list_of_files_is_damage_too(store: ModelStore) -> None:
    folder = store.get(NAME)
    for content in ("{", "[]", '{"version": 2}', '{"version": 1, "files": {"a": {}}}'):
        (folder / "mamori-model.json").write_text(content, encoding="utf-8")
        report = store.check(NAME)
        assert report.status is ModelStatus.CORRUPT
        assert report.problems[0].file == "mamori-model.json"


def test_a_model_put_there_by_hand_counts_as_unpinned(
    store: ModelStore, model_files: dict[str, bytes], site: Any
) -> None:
    write_model(store.directory / NAME, model_files)
    assert store.check(NAME).status is ModelStatus.UNPINNED
    assert store.get(NAME) == store.directory / NAME
    assert site.ranges == []


def write_model(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def test_the_settings_folder_comes_first_then_the_directory_then_the_package(
    tmp_path: Path, model_files: dict[str, bytes]
) -> None:
    package = tmp_path / "site-packages" / "vosk_model_xx"
    given, directory = tmp_path / "given", tmp_path / "models"
    spec = ModelSpec(
        name=NAME,
        engine=EngineName.VOSK,
        languages=("ja",),
        licence="MIT",
        source=PackageSource(package="vosk_model_xx", folder="model", requirement="vosk-model-xx"),
    )

    def store(folders: dict[str, Path]) -> ModelStore:
        return ModelStore(
            directory,
            [spec],
            folders=folders,
            find_package=lambda _name: package if package.is_dir() else None,
        )

    error = fault_of(store({}))
    assert error.fault is ModelFault.PACKAGE_MISSING
    assert 'pip install "vosk-model-xx"' in str(error)
    write_model(package / "model", model_files)
    assert store({}).locate(NAME) == package / "model"
    assert store({}).get(NAME) == package / "model"
    write_model(directory / NAME, model_files)
    assert store({}).locate(NAME) == directory / NAME
    assert store({NAME: given}).locate(NAME) is None
    assert fault_of(store({NAME: given})).fault is ModelFault.MISSING
    write_model(given, model_files)
    assert store({NAME: given}).locate(NAME) == given
    assert store({NAME: given}).check(NAME).origin is ModelOrigin.SETTINGS
    # What is damaged in a folder of somebody else is refused, never replaced.
    (given / "am/final.mdl").unlink()
    assert fault_of(store({NAME: given})).fault is ModelFault.CORRUPT
    assert not (given / "am/final.mdl").exists()


def test_a_model_without_a_source_says_where_it_belongs(tmp_path: Path) -> None:
    spec = ModelSpec(
        name="own",
        engine=EngineName.WHISPER,
        languages=("ja",),
        licence="own",
        source=FolderSource(),
    )
    store = ModelStore(tmp_path, [spec])
    assert str(tmp_path / "own") in str(fault_of(store, "own"))


def test_an_unknown_name_lists_the_known_ones(store: ModelStore) -> None:
    with pytest.raises(ModelError, match=f"allowed: {NAME}") as caught:
        store.locate("vosk")
    assert caught.value.fault is ModelFault.UNKNOWN


def test_many_gets_at_once_make_one_download(store: ModelStore, site: Any) -> None:
    start = threading.Barrier(4)
    folders: list[Path] = []

    def get() -> None:
        start.wait()
        folders.append(store.get(NAME))

    threads = [threading.Thread(target=get) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folders == [store.directory / NAME] * 4
    assert len(site.ranges) == 1
    assert store.check(NAME).status is ModelStatus.OK


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    path = tmp_path / "model.lock"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib\n"
            "from mamori.monitor.recognition.models.lock import locked\n"
            "with locked(pathlib.Path(sys.argv[1])):\n"
            "    print('held', flush=True); sys.stdin.read()\n",
            str(path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        waited = []

        def kill_it() -> None:
            waited.append(True)
            holder.kill()

        with locked(path, waiting=kill_it):
            assert waited == [True]


def test_a_directory_that_cannot_be_written_is_said(
    quick: Any, tmp_path: Path, spec_for: MakeSpec, model_zip: bytes
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way", encoding="utf-8")
    store = ModelStore(blocked, [spec_for(model_zip)], downloader=quick.downloader())
    assert fault_of(store).fault is ModelFault.NOT_WRITABLE


def test_too_little_room_is_said_before_anything_is_fetched(
    store: ModelStore, site: Any, monkeypatch: pytest.MonkeyPatch, model_zip: bytes
) -> None:
    usage = shutil.disk_usage("/")
    short = usage._replace(free=2 * len(model_zip) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: short)
    assert fault_of(store).fault is ModelFault.DISK_FULL
    assert site.ranges == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: short._replace(free=short.free + 1))
    assert store.get(NAME) == store.directory / NAME


WHISPER_FILES = {
    "model.bin": b"onetwo",
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "vocabulary.json": b"[]",
}


def pieces_spec() -> ModelSpec:
    return ModelSpec(
        name="whisper-xx",
        engine=EngineName.WHISPER,
        languages=("ja",),
        licence="MIT",
        source=PartsSource(
            requirement="mamori[whisper-base]",
            pieces=(
                Piece(file="model.bin", package="part_1", path="data/model.bin.part1"),
                Piece(file="model.bin", package="part_2", path="data/model.bin.part2"),
                Piece(file="config.json", package="part_2", path="data/config.json"),
                Piece(file="tokenizer.json", package="part_2", path="data/tokenizer.json"),
                Piece(file="vocabulary.json", package="part_2", path="data/vocabulary.json"),
            ),
        ),
        files=tuple(
            FilePin(path=path, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
            for path, content in WHISPER_FILES.items()
        ),
    )


@pytest.fixture
def pieces(tmp_path: Path) -> Path:
    packages = tmp_path / "site-packages"
    write_model(packages / "part_1", {"data/model.bin.part1": b"one"})
    write_model(packages / "part_2", {"data/model.bin.part2": b"two"})
    write_model(
        packages / "part_2",
        {f"data/{path}": content for path, content in WHISPER_FILES.items() if path != "model.bin"},
    )
    return packages


def pieces_store(tmp_path: Path, packages: Path) -> ModelStore:
    return ModelStore(
        tmp_path / "models",
        [pieces_spec()],
        find_package=lambda name: packages / name if (packages / name).is_dir() else None,
    )


def test_installed_pieces_are_joined_once(tmp_path: Path, pieces: Path) -> None:
    store = pieces_store(tmp_path, pieces)
    assert store.locate("whisper-xx") is None
    assert store.preparable("whisper-xx")
    folder = store.get("whisper-xx")
    assert (folder / "model.bin").read_bytes() == b"onetwo"
    assert store.check("whisper-xx").status is ModelStatus.OK
    shutil.rmtree(pieces)
    assert store.get("whisper-xx") == folder


@pytest.mark.parametrize("gone", ["part_1", "part_2", "part_2/data/model.bin.part2"])
def test_missing_pieces_are_said_with_the_command(tmp_path: Path, pieces: Path, gone: str) -> None:
    if (pieces / gone).is_dir():
        shutil.rmtree(pieces / gone)
    else:
        (pieces / gone).unlink()
    store = pieces_store(tmp_path, pieces)
    assert not store.preparable("whisper-xx")
    error = fault_of(store, "whisper-xx")
    assert error.fault is ModelFault.PACKAGE_MISSING
    assert 'pip install "mamori[whisper-base]"' in str(error)
    assert visible(store.directory) == set()


def test_a_damaged_piece_is_refused_with_both_hashes(tmp_path: Path, pieces: Path) -> None:
    flip_bit(pieces / "part_2" / "data" / "model.bin.part2")
    store = pieces_store(tmp_path, pieces)
    error = fault_of(store, "whisper-xx")
    joined = b"one" + (pieces / "part_2" / "data" / "model.bin.part2").read_bytes()
    assert error.fault is ModelFault.CORRUPT
    assert "model.bin" in str(error)
    assert hashlib.sha256(b"onetwo").hexdigest() in str(error)
    assert hashlib.sha256(joined).hexdigest() in str(error)
    assert visible(store.directory) == set()
    assert left_over(store.directory) == set()
