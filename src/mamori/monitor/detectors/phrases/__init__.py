"""Words that a policy names: rules as data, matching on spelling, on reading and misheard."""

from mamori.monitor.detectors.phrases.book import (
    LANGUAGES,
    Context,
    ContextEffect,
    PhraseBook,
    PhraseRule,
)
from mamori.monitor.detectors.phrases.detector import PhraseDetector
from mamori.monitor.detectors.phrases.matcher import PhraseMatcher, check_examples
from mamori.monitor.detectors.phrases.matches import FUZZY_THRESHOLD_RATIO, PhraseMatch
from mamori.monitor.detectors.phrases.patterns import PatternError, expand
from mamori.monitor.detectors.phrases.texts import Language, create_language

__all__ = [
    "FUZZY_THRESHOLD_RATIO",
    "LANGUAGES",
    "Context",
    "ContextEffect",
    "Language",
    "PatternError",
    "PhraseBook",
    "PhraseDetector",
    "PhraseMatch",
    "PhraseMatcher",
    "PhraseRule",
    "check_examples",
    "create_language",
    "expand",
]
