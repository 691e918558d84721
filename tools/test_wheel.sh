#!/usr/bin/env bash
# Runs the tests against the built wheel, in an environment that has no sources of Mamori.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m build --quiet --wheel --outdir "$work/dist"
"$python" -m venv "$work/venv"
pip=("$work/venv/bin/python" -m pip --quiet)
"${pip[@]}" install --upgrade pip
"${pip[@]}" install --only-binary :all: --no-binary srt "$(ls "$work"/dist/*.whl)[all]" --group test
"$work/venv/bin/python" - <<'PY'
import mamori
assert "site-packages" in mamori.__file__, mamori.__file__
PY
"$work/venv/bin/python" -m pytest "$@"
