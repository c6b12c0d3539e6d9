# Crossdock: `make demo` shows it, `make test` proves it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

.PHONY: help demo test unit faults conformance oracle formulas bench bench-hub fuzz lint nextest doc clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: ## build, start the hub and two simulated ERPs, pass messages through and show them
	cargo build --quiet --bin crossdock
	target/debug/crossdock demo --folder target/demo

test: nextest ## install and start what the tests need (RabbitMQ, PostgreSQL), then run everything
	cargo build --tests --bins
	tests/support/services.sh run cargo nextest run --no-fail-fast $(NEXTEST)

unit: nextest ## the tests that need no service
	cargo nextest run --lib --test architecture -E 'not test(postgres::tests)'

faults: nextest ## every fault of the evidence page under load, one checker; writes docs/evidence.md (FAULT_ROUNDS, FAULT_SEED)
	cargo build --tests --bins
	rm -rf target/faults
	FAULT_ROUNDS=$${FAULT_ROUNDS:-200} tests/support/services.sh run sh -c '\
	  cargo nextest run --profile faults --no-fail-fast --test faults -E "not test(evidence)" $(NEXTEST); played=$$?; \
	  FAULT_REPORT=1 cargo nextest run --no-capture --test faults evidence && exit $$played'

conformance: ## the official suites (XML, JSON, schemas, attacks), scored; CROSSDOCK_CORPORA says where they lie
	@python3 -c 'import lxml' 2>/dev/null || test -x target/peers/bin/python3 || python3 -m venv target/peers
	@python3 -c 'import lxml' 2>/dev/null || target/peers/bin/python3 -c 'import lxml' 2>/dev/null || target/peers/bin/pip install --quiet lxml
	cargo test --quiet --test conformance -- --nocapture --test-threads 1

oracle: ## formulas at random, asked of another XPath engine too (ORACLE_SEED); needs the registry the first time
	cargo run --quiet --manifest-path tests/oracle/Cargo.toml --target-dir target -- $(ORACLE_SEED)

formulas: ## the time of one small formula against another XPath engine (release build: minutes the first time)
	cargo run --quiet --release --manifest-path tests/oracle/Cargo.toml --target-dir target -- --speed

bench: ## speed of reading, writing, validating and mapping against peers (quick-xml, lxml, libxslt, Saxon), as ratios
	@test -x target/peers/bin/python3 || python3 -m venv target/peers
	@target/peers/bin/python3 -c 'import lxml, saxonche' 2>/dev/null || target/peers/bin/pip install --quiet lxml saxonche
	@test -e /usr/share/java/Saxon-HE.jar || echo 'Saxon-HE is left out: apt-get install libsaxonhe-java default-jdk-headless'
	cargo bench --bench format --bench schema --bench mapping

bench-hub: ## speed of the whole hub: accepting, end to end, a backlog of a million, beside peers (brings RabbitMQ, PostgreSQL, Node-RED); an hour
	tests/support/services.sh run cargo bench --bench journal --bench throughput

fuzz: ## every fuzz target for FUZZ_SECONDS (600) each; needs the nightly toolchain
	@command -v cargo-fuzz >/dev/null || cargo install --locked --quiet cargo-fuzz
	@set -e; for target in xml json split round_trip; do mkdir -p target/fuzz/$$target; \
	  cargo +nightly fuzz run --target-dir target/fuzz/build $$target target/fuzz/$$target fuzz/seeds/$$target -- \
	    -max_total_time=$${FUZZ_SECONDS:-600} -dict=fuzz/words.dict -max_len=4096 -timeout=10 -rss_limit_mb=2048; done

# The test runner, from the registry when it is not here yet; it knows which tests must take turns.
nextest:
	@command -v cargo-nextest >/dev/null || cargo install --locked --quiet cargo-nextest

lint: ## formatting and clippy, warnings are errors
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

doc: ## the API's documentation
	cargo doc --no-deps

clean: ## remove what building and trying left behind
	rm -rf target
