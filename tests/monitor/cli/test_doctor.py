"""The lines of ``mamori doctor``."""


def test_several_problems_of_one_file_stand_in_one_line(run, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text('version = "1"\ncolour = "red"\n', encoding="utf-8")

    result = run("doctor", "--local", policy__file=policy, recognition__languages="ko")

    (line,) = [line for line in result.stdout.splitlines() if "policy.toml: " in line]
    assert "policy.toml: colour: unknown key" in line
    assert "; " in line
    assert "\N{REPLACEMENT CHARACTER}" not in result.stdout
