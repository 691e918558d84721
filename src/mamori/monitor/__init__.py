"""From the frames of a call to an explained alert."""
