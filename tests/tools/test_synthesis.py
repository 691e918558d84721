"""The written Japanese lines and their recordings."""

import pytest
from tools.measure import synthesis
from tools.measure.data import NotHereError
from tools.measure.synthesis import VOICES, recording_of, written_lines


def test_the_lines_are_sixty_with_a_phrase_each_read_by_all_voices():
    lines = written_lines()
    assert len(lines) == 60
    assert all(line.phrase in line.text and "[" not in line.text for line in lines)
    assert {line.voice for line in lines} == set(VOICES)
    assert len({line.recording for line in lines}) == 60
    kinds = [line.kind for line in lines]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "harassing": 30,
        "fair": 18,
        "trap": 12,
    }


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("fair\tblunt", "3 columns"),
        ("rude\tblunt\t[あ]", "'rude', 'blunt' is not allowed"),
        ("fair\tloud\t[あ]", "'fair', 'loud' is not allowed"),
        ("fair\tblunt\tあ", "exactly one phrase"),
        ("fair\tblunt\t[]あ", "exactly one phrase"),
        ("fair\tblunt\t[あ][い]", "exactly one phrase"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, row, problem):
    file = tmp_path / "lines.tsv"
    file.write_text(f"# kind\n{row}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"lines\.tsv, line 2: .*{problem}"):
        written_lines(file)


def test_without_recordings_it_says_how_to_make_them(monkeypatch, tmp_path):
    monkeypatch.setattr(synthesis, "RECORDINGS", tmp_path)
    with pytest.raises(NotHereError, match="make speech-lines"):
        recording_of(written_lines()[0])
