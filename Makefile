# make run   sets everything up and does the main job      make test   what CI runs
# Everything is installed into .venv; PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed

# `docs` is also the name of a folder
.PHONY: run test check docs docs-browser thumbnails notebooks mutate certify validate fuzz bench clean

run: $(INSTALLED)
	mkdir -p out
	$(BIN)/feature-eos compare --plot out/compare.png --out out/compare.npz
	$(BIN)/feature-eos compare --data digits --channels 2560,640,160,40 --plot out/digits.png

# a process and a BLAS thread per core: most tests are one thread's work
test: check docs
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --dist=worksteal

docs: $(INSTALLED)
	rm -rf docs/_build
	OPENBLAS_NUM_THREADS=1 $(BIN)/sphinx-build --fresh-env --fail-on-warning --keep-going --quiet --builder html docs docs/_build

# every page opened in Chromium, if there is one: console, images, TeX, what is wider than its column
docs-browser: docs
	$(BIN)/python docs/check_pages.py

# the landing page's pictures, from the notebooks as the site shows them
thumbnails: docs
	$(BIN)/python docs/thumbnails.py

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m analytic --check

mutate: $(INSTALLED)
	$(BIN)/python tests/mutate.py

notebooks: $(INSTALLED)
	$(BIN)/python -m pytest -m notebooks

certify: $(INSTALLED)
	$(BIN)/python -m pytest -m certify

validate: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable '.[validate]'
	$(BIN)/python -m pytest -m validate

fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzz --seconds 600

bench: $(INSTALLED)
	$(BIN)/python benchmarks/versions.py
	$(BIN)/python benchmarks/gradient.py
	$(BIN)/python benchmarks/ladder.py
	$(BIN)/python benchmarks/deep_path.py
	$(BIN)/python benchmarks/cost.py
	$(BIN)/python benchmarks/cost.py --large
	$(BIN)/python benchmarks/peers.py cnn
	$(BIN)/python benchmarks/peers.py fcn
	$(BIN)/python benchmarks/sampling.py
	$(BIN)/python benchmarks/roots.py
	$(BIN)/python benchmarks/cold_start.py
	$(BIN)/python benchmarks/import_time.py

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv out build *.egg-info
