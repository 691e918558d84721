"""Detectors: events of a call in, explained detections out, on media time only."""
