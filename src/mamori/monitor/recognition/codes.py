"""Why an utterance got no final, or no partials: the codes of MediaDropped and StageFailed."""

from typing import Final

OVERLOAD: Final = "overload"
"""It waited too long for a worker."""
LOAD: Final = "load"
"""The node gave it up beforehand, for want of room."""
QUARANTINED: Final = "quarantined"
"""Three workers were lost over it."""
SWITCHED_OFF: Final = "recognition_off"
UNFINISHED: Final = "unfinished"
TOO_LONG: Final = "utterance_too_long"
SHUTDOWN: Final = "shutdown"
