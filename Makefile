# On a bare Debian with Python 3.11, pip and make: `make demo`, `make serve`, `make test`, `make quick`, `make docs`.
PYTHON ?= python3
VENV := .venv
IN := $(VENV)/bin

.PHONY: demo serve test quick check docs clean

demo: $(VENV)/.demo
	$(IN)/python scripts/demo.py

serve: $(VENV)/.serve
	$(IN)/impasto serve

# Two at a time, for many wait for a server or a browser; and each with one thread, or they would take turns.
# In their order: with the files of many tests first, those of one long test each would come last, one after the other.
test: $(VENV)/.test check docs
	OMP_NUM_THREADS=1 $(IN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 1

# Between two edits: what needs no server, no browser and no torch.
quick: $(VENV)/.test
	OMP_NUM_THREADS=1 $(IN)/pytest --numprocesses 2 --dist loadfile -m 'not slow and not browser and not torch'

check: $(VENV)/.test
	$(IN)/ruff check
	$(IN)/ruff format --check
	$(IN)/mypy

# The pages of docs/ and the reference of all that is public, into site/. What is wrong with one is an error.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(IN)/mkdocs build --strict --quiet

# pip is put in from outside, for Debian's own Python has no ensurepip.
$(IN)/pip:
	$(PYTHON) -m venv --without-pip $(VENV)
	$(PYTHON) -m pip --python $(IN)/python install --quiet --upgrade pip

$(VENV)/.demo: $(IN)/pip pyproject.toml
	$(IN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo]'
	touch $@

$(VENV)/.serve: $(IN)/pip pyproject.toml constraints.txt
	$(IN)/python -m pip install --quiet --constraint constraints.txt --editable '.[serve,iterative]'
	touch $@

$(VENV)/.test: $(IN)/pip pyproject.toml constraints.txt
	$(IN)/python -m pip install --quiet --constraint constraints.txt --editable '.[iterative,evaluate,train,bench,demo,serve,client,plot]' --group test
	touch $@ $(VENV)/.demo $(VENV)/.serve

$(VENV)/.docs: $(IN)/pip pyproject.toml constraints.txt
	$(IN)/python -m pip install --quiet --constraint constraints.txt --editable . --group docs
	touch $@

clean:
	rm -rf $(VENV) out dist site .hypothesis .mypy_cache .pytest_cache .ruff_cache
