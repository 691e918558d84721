"""Why recognition runs the way it does: a code with its particulars, worded in two languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class ReasonCode(StrEnum):
    """Every reason that the choice of engines can give."""

    SWITCHED_OFF = "recognition_switched_off"
    ENGINE_NOT_INSTALLED = "engine_not_installed"
    MODEL_TAKEN = "model_taken"
    MODEL_UNPINNED = "model_unpinned"
    MODEL_REFUSED = "model_refused"
    MODEL_ABSENT = "model_absent"
    MODEL_NOT_OBTAINED = "model_not_obtained"
    BOTH_ENGINES = "both_engines"
    NO_ENGINE = "no_engine"


_ENGLISH: Mapping[ReasonCode, str] = {
    ReasonCode.SWITCHED_OFF: (
        "Recognition is switched off: alerts come from sound and the clock alone."
    ),
    ReasonCode.ENGINE_NOT_INSTALLED: "{engine} is not installed: {remedy}",
    ReasonCode.MODEL_TAKEN: "{engine} uses {model} for {languages} ({folder}).",
    ReasonCode.MODEL_UNPINNED: "{model} was put in place by hand, so its files cannot be verified.",
    ReasonCode.MODEL_REFUSED: "{model} is not loaded: {detail}",
    ReasonCode.MODEL_ABSENT: "{engine} has no model for {languages}: {remedy}",
    ReasonCode.MODEL_NOT_OBTAINED: "{model} could not be had: {detail}",
    ReasonCode.BOTH_ENGINES: "Vosk gives the words while they are spoken, whisper the final text.",
    ReasonCode.NO_ENGINE: (
        "No engine recognises words for {languages}: alerts come from sound and the clock alone."
    ),
}
_JAPANESE: Mapping[ReasonCode, str] = {
    ReasonCode.SWITCHED_OFF: (
        "音声認識は無効に設定されています。声の大きさと通話時間だけで検知します。"
    ),
    ReasonCode.ENGINE_NOT_INSTALLED: (
        "{engine} がインストールされていません。次を実行してください：{remedy}"
    ),
    ReasonCode.MODEL_TAKEN: "{engine} は {languages} にモデル {model} を使用します（{folder}）。",
    ReasonCode.MODEL_UNPINNED: (
        "モデル {model} は手動で配置されたため、ファイルの検証ができません。"
    ),
    ReasonCode.MODEL_REFUSED: "モデル {model} は読み込みません：{detail}",
    ReasonCode.MODEL_ABSENT: (
        "{engine} に {languages} のモデルがありません。次を実行してください：{remedy}"
    ),
    ReasonCode.MODEL_NOT_OBTAINED: "モデル {model} を取得できませんでした：{detail}",
    ReasonCode.BOTH_ENGINES: "発話中の途中経過は Vosk、確定した文字起こしは whisper が担当します。",
    ReasonCode.NO_ENGINE: (
        "{languages} の言葉を認識できるエンジンがありません。声の大きさと通話時間だけで検知します。"
    ),
}
TEXTS: Mapping[str, Mapping[ReasonCode, str]] = MappingProxyType(
    {"en": MappingProxyType(_ENGLISH), "ja": MappingProxyType(_JAPANESE)}
)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: ``code`` for machines, ``params`` for what it is about."""

    code: ReasonCode
    params: Mapping[str, str] = field(default_factory=dict)

    def text(self, language: str = "en") -> str:
        """The reason as a sentence; Japanese for ``ja``, English for every other language."""
        return TEXTS["ja" if language == "ja" else "en"][self.code].format_map(self.params)

    def __str__(self) -> str:
        return self.text()
