# Python >= 3.11 and make are all that is needed. Everything lives in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENGINE ?= docker

.PHONY: quickstart test test-slow lint docs screenshot bench chaos fresh clean lock image

$(BIN)/freelb-tune: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet 'torch>=2.6,<2.14'
	$(BIN)/pip install --quiet -e '.[dev]'
	touch $@

quickstart: $(BIN)/freelb-tune  ## a FreeLB search without network, in about three minutes
	$(BIN)/freelb-tune --space quickstart

test: $(BIN)/freelb-tune  ## set up and pass the tests
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

test-slow: $(BIN)/freelb-tune  ## the tests that start Ray, kill searches or build a wheel
	$(BIN)/python -m pytest -m slow

lint: $(BIN)/freelb-tune
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(BIN)/freelb-tune  ## the pages that say what the code declares, and the site in build/site
	$(BIN)/python docs/make.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	$(BIN)/python docs/record.py site build/site

screenshot: $(BIN)/freelb-tune  ## the README's picture of a page of record; needs a Chromium
	$(BIN)/python docs/screenshot.py docs/results/stsb

bench: $(BIN)/freelb-tune  ## the README's speed table
	$(BIN)/python -m bench.freelb

chaos: $(BIN)/freelb-tune  ## kill and damage small searches in every way; docs/chaos.md gets what is left
	$(BIN)/python -m bench.chaos --page docs/chaos.md

fresh: $(BIN)/freelb-tune  ## install the wheel with all it needs, without a checkout, and search
	rm -rf build/fresh && mkdir -p build/fresh
	$(BIN)/python -m hatchling build -t wheel -d build/fresh
	$(PYTHON) -m venv build/fresh/venv
	build/fresh/venv/bin/pip install --quiet build/fresh/*.whl
	cd build/fresh && venv/bin/freelb-tune --space quickstart 'seeds=[1]' trainer.num_train_epochs=1

lock: $(BIN)/freelb-tune  ## the versions that the image is made of, without a word of where they come from
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --extra optuna --no-header --no-annotate \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links -o requirements.lock pyproject.toml
	sed -i "s/+cpu$$//; /^--/d; /^#/d; /^$$/d" requirements.lock

image:  ## a container with freelb-tune; ENGINE=podman or buildah for another builder
	$(ENGINE) build --tag freelb-tune:0.2.0 --file Containerfile .

clean:
	rm -rf $(VENV) build dist *.egg-info
