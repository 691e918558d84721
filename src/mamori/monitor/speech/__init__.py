"""Voice activity and the endpointer: where an utterance starts and ends."""

from mamori.monitor.speech.config import SpeechConfig
from mamori.monitor.speech.segmenter import ChannelSpeech

__all__ = ["ChannelSpeech", "SpeechConfig"]
