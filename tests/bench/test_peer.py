"""The server that Mamori is compared with."""

import pytest
from bench.peer import answer_to


class Recogniser:
    """Says what it was asked for; ``at_end`` is whether its endpointer finds one."""

    def __init__(self, at_end):
        self.at_end = at_end
        self.heard = []

    def AcceptWaveform(self, data):  # noqa: N802 - Vosk's name
        self.heard.append(data)
        return self.at_end

    def Result(self):  # noqa: N802
        return "result"

    def PartialResult(self):  # noqa: N802
        return "partial"

    def FinalResult(self):  # noqa: N802
        return "final"


@pytest.mark.parametrize(("at_end", "answer"), [(False, "partial"), (True, "result")])
def test_every_message_is_decoded_and_answered(at_end, answer):
    recogniser = Recogniser(at_end)
    assert answer_to(recogniser, b"\0\0") == (answer, False)
    assert recogniser.heard == [b"\0\0"]


def test_eof_brings_out_what_is_left_and_ends_the_call():
    recogniser = Recogniser(at_end=False)
    assert answer_to(recogniser, '{"eof" : 1}') == ("final", True)
    assert recogniser.heard == []
