# Everything a user needs, set-up included. Settings go to every stage through OVERRIDES:
#   make stage1 stage2 stage3 OVERRIDES="experiment=smoke paths.artifacts=/tmp/artifacts"

PYTHON ?= python3
VENV ?= .venv
OVERRIDES ?=
RUN = $(VENV)/bin/python -m
INSTALLED = $(VENV)/.installed
# Where it is set, as in many containers, every command compiles all its packages again: half of its start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup plan teachers pairs label spend mine tune stage1 stage2 stage3 sweep tables test test-thorough test-slow test-browser lint check format verify bench recipes wheel-test docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## make the virtual environment, once

$(INSTALLED): pyproject.toml constraints.txt tmkd/__init__.py # the last has the version, which manifests record
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "tmkd: Python 3.11 or newer is needed, $(PYTHON) is older; name another: make PYTHON=python3.12 ..."; exit 2; }
	@echo "Installing into $(VENV) (a few minutes, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

plan: $(INSTALLED) ## before a run: what is to be computed, and about how long that takes
	@$(RUN) stages.plan $(OVERRIDES)

teachers: $(INSTALLED) ## stage 0: fine-tune the teachers
	@$(RUN) stages.teachers $(OVERRIDES)

pairs: $(INSTALLED) ## write every pair that the teachers score to files, to be scored elsewhere
	@$(RUN) stages.pairs $(OVERRIDES)

label: $(INSTALLED) ## without gold labels: the teachers label a corpus
	@$(RUN) stages.label $(OVERRIDES)

spend: $(INSTALLED) ## without gold labels: ask a dear teacher for the questions that help most
	@$(RUN) stages.spend $(OVERRIDES)

mine: $(INSTALLED) ## add hard negatives to the training pairs, judged by a teacher
	@$(RUN) stages.mine $(OVERRIDES)

tune: $(INSTALLED) ## search settings of an arm by the validation split
	@$(RUN) stages.tune $(OVERRIDES)

stage1: teachers ## score the corpus, pre-train the students on soft labels (teachers first)
	@$(RUN) stages.stage1 $(OVERRIDES)

stage2: $(INSTALLED) ## fine-tune the students of every arm
	@$(RUN) stages.stage2 $(OVERRIDES)

stage3: $(INSTALLED) ## evaluate every arm, write the comparison
	@$(RUN) stages.stage3 $(OVERRIDES)

sweep: $(INSTALLED) ## the comparison against the number of teachers
	@$(RUN) stages.stage2 --multirun sweep=teacher_count $(OVERRIDES)
	@$(RUN) stages.stage3 sweep=teacher_count $(OVERRIDES)

# Each arm is trained once, whichever table asks first. EXPERIMENT joins another experiment's settings: EXPERIMENT=smoke
EXPERIMENT ?= default_full
TABLES = $(filter-out paper/bert_large paper/base, $(patsubst conf/experiment/%.yaml, %, \
  $(sort $(wildcard conf/experiment/paper/*.yaml) $(wildcard conf/experiment/ablation/*.yaml))))

tables: $(INSTALLED) ## the paper's tables and our own, the column of one task; TABLES=paper/table5 makes that one
	@for table in $(TABLES); do $(RUN) stages.stage3 "experiment=[$(EXPERIMENT),$$table]" $(OVERRIDES) || exit; done
	@echo "Each table is table.md, .html, .csv, .tex and .png in a folder of its own: see the lines 'table' above."

# A process a core, each with one thread: tiny models gain nothing from more. A file's tests share what they made. Files
# are taken in their order, so that those of pipelines, which take minutes, are not the last.
# COVERAGE=1 shows the lines that no test runs; commands that tests start are not counted.
COVERAGE ?=
PYTEST = OMP_NUM_THREADS=1 $(RUN) pytest -n auto --dist loadfile --no-loadscope-reorder $(if $(COVERAGE),--cov=tmkd --cov-report=term:skip-covered)

# THOROUGH=1 takes those of test-thorough, too: both together share what they make.
THOROUGH ?=

test: $(INSTALLED) ## the tests: a few minutes, offline
	@$(PYTEST) -m "not slow and not browser$(if $(THOROUGH),, and not thorough)"

test-thorough: $(INSTALLED) ## the tests that take longer: several processes, kills, stored states; CI runs them too
	@$(PYTEST) -m "thorough and not slow"

test-slow: $(INSTALLED) ## the tests that take minutes
	@$(PYTEST) -m slow

$(VENV)/.browser: $(INSTALLED)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[browser]"
	@touch $@

test-browser: $(VENV)/.browser ## both pages in Chromium, which must be installed: sizes, colours, keyboard, screen readers
	@OMP_NUM_THREADS=1 $(RUN) pytest -m browser -rs tests/browser

lint: $(INSTALLED) ## ruff, types, import directions, dependencies
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(VENV)/bin/deptry tmkd stages

check: lint ## lint, config composition, unit tests
	@$(PYTEST) tests/unit tests/configs -m "not slow and not thorough"

format: $(INSTALLED) ## rewrite the code as ruff likes it
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

verify: $(INSTALLED) ## check every file of every artifact against its manifest
	@$(RUN) stages.verify $(OVERRIDES)

# Its environment holds the projects that tmkd is compared with. Only the forms full and base write to docs/results/.
SIZE ?= short
BENCH = benchmarks/.venv
ONLY ?= three_teachers arms_and_seeds scoring student_training matrix_product eight_teachers finished_stage \
  large_corpus killed_scoring families mapped_pages serving exports

$(BENCH)/.installed: benchmarks/setup.sh benchmarks/requirements.txt pyproject.toml constraints.txt
	@echo "Installing into $(BENCH) (a few minutes, once) ..."
	@PYTHON=$(PYTHON) sh benchmarks/setup.sh

bench: $(BENCH)/.installed ## speed beside other projects: a few minutes; SIZE=full: two hours and more; ONLY="scoring ..."
	@for name in $(ONLY); do $(BENCH)/bin/python -m benchmarks.$$name --size $(SIZE) \
	  --into $(if $(filter full base,$(SIZE)),docs/results,reports/speed) || exit; done

recipes: $(BENCH)/.installed ## quality beside other projects' recipes, from the same soft labels; SIZE=full: WikiQA
	@$(BENCH)/bin/python -m benchmarks.recipes --size $(SIZE) $(OVERRIDES)

wheel-test: ## build the wheel and run it in an empty folder, in an environment of its own
	@.ci/wheel $(PYTHON)

$(VENV)/.docs: $(INSTALLED)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	@touch $@

# The variable silences what the theme prints about a version of MkDocs that the extra does not take.
docs: $(VENV)/.docs ## build the documentation as a site into site/
	@NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --strict --quiet
	@echo "site/index.html; with its search: $(VENV)/bin/python -m http.server -d site"

clean: ## remove logs and caches; artifacts and reports stay
	rm -rf runs .pytest_cache .mypy_cache .ruff_cache
