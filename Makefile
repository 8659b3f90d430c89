# The commands of the project. `make demo` and `make test` need only Python 3.11 or later.

PYTHON ?= python3
DEMO_ADDRESS ?= 127.0.0.1:8000

.PHONY: help demo test quick browser postgresql agents endurance prereleases lint docs bench cost clean

help:
	@sed -n 's/^## //p' Makefile

## make demo     serve the example Django project at http://127.0.0.1:8000
demo:
	@PYTHON="$(PYTHON)" scripts/environment .demo "Django>=5.2,<6" Pillow channels
	@cd examples/polls && ../../.demo/bin/python manage.py demo
	@cd examples/polls && exec ../../.demo/bin/bascule serve --bind $(DEMO_ADDRESS)

## make test     the whole test suite, on every Python from 3.11 up that is found, compiled or not, in turn
test:
	@scripts/test

## make quick    the tests on one Python, from the source, without compiling
quick:
	@scripts/test quick

## make browser  the tests in a real browser, on one Python
browser:
	@scripts/test browser

## make postgresql  the tests that need PostgreSQL, on one Python
postgresql:
	@scripts/test postgresql

## make agents  the tests under monitoring agents, on one Python
agents:
	@scripts/test agents

## make endurance   replace workers under load, for minutes; on one Python
endurance:
	@scripts/test endurance

## make prereleases  the tests of private interfaces, with the newest pre-release of each dependency
prereleases:
	@scripts/test prereleases

## make lint     ruff, mypy, and the layers of the imports
lint:
	@scripts/test lint

## make docs     renew the generated pages of docs/
docs:
	@scripts/test docs

## make bench    compare with the other servers; an hour on two idle cores
bench:
	@$(PYTHON) bench/run.py
	@cd bench && .venv/bin/python -m studies.adapters
	@cd bench && .venv/bin/python -m studies.sleepers
	@cd bench && .venv/bin/python -m studies.preload
	@cd bench && .venv/bin/python -m studies.websocket_http2
	@cd bench && .venv/bin/python -m studies.attacks
	@cd bench && .venv/bin/python -m studies.balance
	@cd bench && .venv/bin/python -m studies.static_files

## make cost     instructions for a request, beside those kept, by valgrind; minutes. SCENARIO=NAME counts
##               only that, FUNCTION=NAME lists what is expensive under a function, KEEP=1 keeps the result
cost:
	@$(PYTHON) bench/cost.py $(addprefix --scenario ,$(SCENARIO)) $(addprefix --function ,$(FUNCTION)) \
		$(if $(KEEP),--keep)

## make clean    remove the environments and everything that was built
clean:
	rm -rf .demo .venv-* bench/.venv bench/work build dist src/*.egg-info .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
