"""Which engines run: one row per combination of wish, installed engines and present models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mamori.config.models import load_catalogue
from mamori.monitor.recognition.models import (
    EngineName,
    FileProblem,
    ModelError,
    ModelFault,
    ModelReport,
    ModelSpec,
    ModelStatus,
    ModelStore,
    PackageSource,
)
from mamori.monitor.recognition.models.reasons import ReasonCode
from mamori.monitor.recognition.selection import (
    EngineChoice,
    EngineWish,
    SelectionConfig,
    choose_engines,
    importable,
)

BOTH = ("vosk", "faster_whisper")
R = ReasonCode


def spec(
    name: str, engine: EngineName, languages: tuple[str, ...], *, auto_fetch: bool = False
) -> ModelSpec:
    return ModelSpec(
        name=name,
        engine=engine,
        languages=languages,
        licence="x",
        source=PackageSource(package="none", folder="none", requirement="none"),
        auto_fetch=auto_fetch,
    )


CATALOGUE = (
    spec("vosk-ja-big", EngineName.VOSK, ("ja",)),
    spec("vosk-ja", EngineName.VOSK, ("ja",), auto_fetch=True),
    spec("vosk-en", EngineName.VOSK, ("en",), auto_fetch=True),
    spec("whisper-base", EngineName.WHISPER, ("ja", "en")),
)


@dataclass
class FakeModels:
    """Models that are present, damaged, joinable or fetchable by decree."""

    catalogue: Sequence[ModelSpec] = CATALOGUE
    present: set[str] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)
    by_hand: set[str] = field(default_factory=set)
    joinable: set[str] = field(default_factory=set)
    online: bool = True
    asked: list[str] = field(default_factory=list)

    def check(self, name: str) -> ModelReport:
        if name in self.damaged:
            problem = FileProblem(file="am/x", problem="different", expected="aa", actual="bb")
            return ModelReport(
                name=name, status=ModelStatus.CORRUPT, folder=Path(name), problems=(problem,)
            )
        if name in self.by_hand:
            return ModelReport(name=name, status=ModelStatus.UNPINNED, folder=Path(name))
        if name in self.present:
            return ModelReport(name=name, status=ModelStatus.OK, folder=Path(name))
        return ModelReport(name=name, status=ModelStatus.MISSING)

    def preparable(self, name: str) -> bool:
        return name in self.joinable

    def get(self, name: str) -> Path:
        self.asked.append(name)
        if name not in self.joinable and not self.online:
            raise ModelError(ModelFault.UNREACHABLE, "models.example is not reachable")
        return Path(name)


def choose(
    engine: str,
    models: FakeModels,
    *,
    languages: tuple[str, ...] = ("ja",),
    installed: tuple[str, ...] = BOTH,
    fetch: bool = False,
) -> EngineChoice:
    config = SelectionConfig(engine=EngineWish(engine), languages=languages, fetch=fetch)
    return choose_engines(config, models, is_installed=installed.__contains__)


def codes(choice: EngineChoice) -> list[ReasonCode]:
    return [reason.code for reason in choice.reasons]


# engine, installed, present -> stream models, utterance model, reasons
TABLE = [
    ("none", BOTH, {"vosk-ja", "whisper-base"}, {}, None, [R.SWITCHED_OFF]),
    (
        "auto", BOTH, {"vosk-ja", "whisper-base"}, {"ja": "vosk-ja"}, "whisper-base",
        [R.MODEL_TAKEN, R.MODEL_TAKEN, R.BOTH_ENGINES],
    ),
    (
        "auto", BOTH, {"vosk-ja"}, {"ja": "vosk-ja"}, None,
        [R.MODEL_TAKEN, R.MODEL_ABSENT],
    ),
    (
        "auto", BOTH, {"whisper-base"}, {}, "whisper-base",
        [R.MODEL_ABSENT, R.MODEL_TAKEN],
    ),
    ("auto", BOTH, set(), {}, None, [R.MODEL_ABSENT, R.MODEL_ABSENT, R.NO_ENGINE]),
    (
        "auto", ("vosk",), {"vosk-ja", "whisper-base"}, {"ja": "vosk-ja"}, None,
        [R.ENGINE_NOT_INSTALLED, R.MODEL_TAKEN],
    ),
    (
        "auto", ("faster_whisper",), {"vosk-ja", "whisper-base"}, {}, "whisper-base",
        [R.ENGINE_NOT_INSTALLED, R.MODEL_TAKEN],
    ),
    (
        "auto", (), {"vosk-ja", "whisper-base"}, {}, None,
        [R.ENGINE_NOT_INSTALLED, R.ENGINE_NOT_INSTALLED, R.NO_ENGINE],
    ),
    ("vosk", BOTH, {"vosk-ja", "whisper-base"}, {"ja": "vosk-ja"}, None, [R.MODEL_TAKEN]),
    ("vosk", ("vosk",), {"vosk-ja"}, {"ja": "vosk-ja"}, None, [R.MODEL_TAKEN]),
    ("whisper", BOTH, {"vosk-ja", "whisper-base"}, {}, "whisper-base", [R.MODEL_TAKEN]),
    (
        "vosk+whisper", BOTH, {"vosk-ja", "whisper-base"}, {"ja": "vosk-ja"}, "whisper-base",
        [R.MODEL_TAKEN, R.MODEL_TAKEN, R.BOTH_ENGINES],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "installed", "present", "stream", "utterance", "reasons"), TABLE
)
def test_what_is_taken_and_why(
    engine: str,
    installed: tuple[str, ...],
    present: set[str],
    stream: dict[str, str],
    utterance: str | None,
    reasons: list[ReasonCode],
) -> None:
    models = FakeModels(present=present)
    choice = choose(engine, models, installed=installed)
    assert choice.stream_models == {key: Path(name) for key, name in stream.items()}
    assert choice.utterance_model == (None if utterance is None else Path(utterance))
    assert codes(choice) == reasons
    assert all(reason.text("ja") and reason.text("en") for reason in choice.reasons)
    assert models.asked == []


# engine, installed, present, damaged -> fault, what the message must hold
REFUSALS = [
    ("vosk", ("faster_whisper",), {"vosk-ja"}, set(), "engine_missing", "mamori[vosk]"),
    ("whisper", ("vosk",), {"whisper-base"}, set(), "engine_missing", "mamori[whisper-base]"),
    ("vosk+whisper", ("vosk",), {"vosk-ja"}, set(), "engine_missing", "mamori[whisper-base]"),
    ("vosk+whisper", (), set(), set(), "engine_missing", "mamori[vosk]"),
    ("vosk", BOTH, {"whisper-base"}, set(), "model_missing", "mamori models get vosk-ja"),
    ("whisper", BOTH, {"vosk-ja"}, set(), "model_missing", "mamori[whisper-base]"),
    ("vosk+whisper", BOTH, {"vosk-ja"}, set(), "model_missing", "mamori[whisper-base]"),
    ("vosk+whisper", BOTH, {"whisper-base"}, set(), "model_missing", "models get vosk-ja"),
    ("vosk", BOTH, set(), {"vosk-ja"}, "model_corrupt", "am/x: different, expected aa, actual bb"),
    ("whisper", BOTH, set(), {"whisper-base"}, "model_corrupt", "expected aa, actual bb"),
]


@pytest.mark.parametrize(("engine", "installed", "present", "damaged", "fault", "text"), REFUSALS)
def test_an_engine_asked_for_by_name_that_is_not_there_is_an_error_with_a_remedy(
    engine: str,
    installed: tuple[str, ...],
    present: set[str],
    damaged: set[str],
    fault: str,
    text: str,
) -> None:
    with pytest.raises(ModelError) as caught:
        choose(engine, FakeModels(present=present, damaged=damaged), installed=installed)
    assert caught.value.code == fault
    assert text in str(caught.value)


def test_of_two_models_that_are_here_the_first_listed_is_taken() -> None:
    choice = choose("vosk", FakeModels(present={"vosk-ja", "vosk-ja-big"}))
    assert choice.stream_models == {"ja": Path("vosk-ja-big")}


def test_auto_leaves_a_damaged_model_out_and_takes_the_next() -> None:
    models = FakeModels(present={"vosk-ja", "whisper-base"}, damaged={"vosk-ja-big"})
    choice = choose("auto", models)
    assert choice.stream_models == {"ja": Path("vosk-ja")}
    assert choice.utterance_model == Path("whisper-base")
    assert codes(choice)[0] is R.MODEL_REFUSED
    assert "am/x: different, expected aa, actual bb" in str(choice.reasons[0])


def test_auto_says_when_a_model_cannot_be_verified() -> None:
    choice = choose("auto", FakeModels(by_hand={"vosk-ja"}), installed=("vosk",))
    assert choice.stream_models == {"ja": Path("vosk-ja")}
    assert R.MODEL_UNPINNED in codes(choice)


def test_each_language_has_its_own_stream_model() -> None:
    models = FakeModels(present={"vosk-ja", "vosk-en"})
    choice = choose("auto", models, languages=("ja", "en"), installed=("vosk",))
    assert choice.stream_models == {"ja": Path("vosk-ja"), "en": Path("vosk-en")}


def test_auto_serves_the_languages_it_can() -> None:
    models = FakeModels(present={"vosk-en"})
    choice = choose("auto", models, languages=("ja", "en"), installed=("vosk",))
    assert choice.stream_models == {"en": Path("vosk-en")}
    with pytest.raises(ModelError, match="no model for ja"):
        choose("vosk", models, languages=("ja", "en"))


def test_whisper_is_taken_only_where_it_knows_every_language() -> None:
    choice = choose("auto", FakeModels(present={"whisper-base"}), languages=("ja", "xx"))
    assert choice.utterance_model is None
    with pytest.raises(ModelError, match="the catalogue lists none"):
        choose("whisper", FakeModels(present={"whisper-base"}), languages=("ja", "xx"))


@pytest.mark.parametrize("engine", ["auto", "whisper"])
def test_installed_pieces_are_joined_without_leave_to_fetch(engine: str) -> None:
    models = FakeModels(joinable={"whisper-base"}, online=False)
    choice = choose(engine, models)
    assert choice.utterance_model == Path("whisper-base")
    assert models.asked == ["whisper-base"]


def test_auto_fetches_only_the_marked_model_and_only_with_leave() -> None:
    models = FakeModels()
    assert choose("auto", models).stream_models == {}
    assert models.asked == []
    assert choose("auto", models, fetch=True).stream_models == {"ja": Path("vosk-ja")}
    assert models.asked == ["vosk-ja"]


def test_asking_by_name_never_fetches() -> None:
    models = FakeModels()
    with pytest.raises(ModelError):
        choose("vosk", models, fetch=True)
    assert models.asked == []


def test_without_a_network_auto_says_so_once_and_goes_on() -> None:
    models = FakeModels(online=False, present={"whisper-base"})
    choice = choose("auto", models, languages=("ja", "en"), fetch=True)
    assert choice.utterance_model == Path("whisper-base")
    assert models.asked == ["vosk-ja"]
    assert codes(choice).count(R.MODEL_NOT_OBTAINED) == 1


def test_a_wish_without_languages_is_refused_unless_nothing_is_wished() -> None:
    with pytest.raises(ValueError, match="languages is empty"):
        SelectionConfig(engine=EngineWish.AUTO, languages=())
    assert SelectionConfig(engine=EngineWish.NONE, languages=()).languages == ()


def test_a_module_is_found_without_importing_it() -> None:
    assert importable("vosk")
    assert not importable("a_module_nobody_has")


def test_the_real_models_are_chosen_and_open(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, load_catalogue())
    config = SelectionConfig(engine=EngineWish.BOTH, languages=("ko",))
    choice = choose_engines(config, store)
    assert set(choice.stream_models) == {"ko"}
    assert choice.utterance_model == tmp_path / "whisper-base"
    assert choice.has_engine


def test_choosing_nothing_is_no_engine() -> None:
    assert not EngineChoice().has_engine
