# Aliases for those who like make; ./run and ./test are the commands.
.PHONY: run test check lint format locks

UV = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
     --custom-compile-command 'make locks'

run:
	./run

test check:
	./test

lint:
	./test --lint

format:
	.venv/bin/ruff check --fix . && .venv/bin/ruff format .

# Rewrites the locks from requirements*.txt; what is locked already stays unless it has to move.
locks:
	echo 'uv==0.13.9' | $(UV) - --output-file requirements-uv.lock
	$(UV) requirements.txt --output-file requirements.lock
	$(UV) requirements-test.txt --constraint requirements.lock --override requirements-test-overrides.txt \
	      --output-file requirements-test.lock
