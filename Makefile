# Everything happens in .venv; each target sets up what it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO_ARGS ?=
BENCH_ARGS ?=
SPEECH_ARGS ?=

.PHONY: help setup demo test test-wheel lint types bench bench-long-call \
	evaluate-speech speech-lines clean

help:
	@echo "make demo    plays calls and shows their alerts (DEMO_ARGS=--exit ends by itself)"
	@echo "make test    runs all tests"
	@echo "make lint    style, architecture and formatting; make types: mypy"
	@echo "make bench   capacity and latency on this machine; make bench-long-call: memory over hours"
	@echo "make evaluate-speech  errors, phrases and inventions of each engine (SPEECH_ARGS=--quick)"

# One stamp a purpose: a demo needs no test tools, and nothing is installed twice.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Mamori needs Python 3.11 or newer; name one with PYTHON=...")'
	@echo "Setting up $(VENV), once"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

# Wheels only, so that nothing is compiled; srt, a small pure Python package that vosk asks for,
# publishes none.
WHEELS := --only-binary :all: --no-binary srt

$(VENV)/.run: $(VENV)/.created pyproject.toml
	@$(BIN)/pip install --quiet $(WHEELS) --editable '.[all]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run pyproject.toml
	@$(BIN)/pip install --quiet $(WHEELS) --group dev
	@touch $@

setup: $(VENV)/.dev

demo: $(VENV)/.run
	$(BIN)/mamori demo $(DEMO_ARGS)

test: $(VENV)/.dev
	$(BIN)/pytest

# The same tests against the built wheel, in an environment of its own without the sources.
test-wheel: $(VENV)/.dev
	PYTHON=$(PYTHON) tools/test_wheel.sh

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python bench/run.py $(BENCH_ARGS)

bench-long-call: $(VENV)/.dev
	$(BIN)/python bench/long_call.py $(BENCH_ARGS)

# Without the synthesised lines it says how to make them, and measures the rest.
evaluate-speech: $(VENV)/.dev
	$(BIN)/python tools/evaluate_speech.py $(SPEECH_ARGS)

# The voice wants packages of its own.
VOICES := build/voices
$(VOICES)/.created: $(VENV)/.created tools/requirements-demo.txt
	@$(PYTHON) -m venv $(VOICES)
	@$(VOICES)/bin/pip install --quiet --only-binary :all: --requirement tools/requirements-demo.txt
	@touch $@

speech-lines: $(VOICES)/.created
	$(VOICES)/bin/python tools/render_speech_lines.py

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
