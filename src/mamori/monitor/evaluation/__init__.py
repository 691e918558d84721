"""Measuring recognition and detection on labelled material."""
