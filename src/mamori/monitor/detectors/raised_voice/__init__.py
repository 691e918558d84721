"""Raised voice: sustained vocal effort of the customer against the customer's own calm voice."""

from mamori.monitor.detectors.raised_voice.config import RaisedVoiceConfig
from mamori.monitor.detectors.raised_voice.detector import RaisedVoiceDetector

__all__ = ["RaisedVoiceConfig", "RaisedVoiceDetector"]
