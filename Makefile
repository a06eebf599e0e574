# Every target sets up what it needs first (scripts/bootstrap); the second run finds it there.
.DEFAULT_GOAL := build
.PHONY: build demo test bench fuzz check clean help

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 14

build: ## Build the parley program (debug)
	@scripts/bootstrap
	@echo "build: swift build --product parley"
	@swift build --product parley

demo: build ## Two nodes that have never met trade an option; CHAIN=FILE takes a recorded option chain
	@.build/debug/parley demo $(if $(CHAIN),--chain "$(CHAIN)")

test: ## Build everything and run all tests
	@scripts/test

bench: ## Run the benchmarks in release; NAME=BenchJournal runs one, ARGS goes to it
	@scripts/bench $(NAME) $(if $(ARGS),-- $(ARGS))

fuzz: ## Run every fuzz target for SECONDS each (20) or RUNS executions; TARGET=FuzzEntry runs one
	@RUNS="$(RUNS)" scripts/fuzz $(or $(TARGET),all) $(or $(SECONDS),20)

check: ## Format, the models of the negotiation, tests, a million simulated negotiations, all WebSocket conformance cases, tests under two sanitizers, Fuzz and Benchmarks
	@scripts/check

clean: ## Remove what was built here; the OpenSSL and the Python packages in the user's cache stay
	rm -rf .build Fuzz/.build Benchmarks/.build demo
