# Everything here is short for a command that can be typed; .ci/run is the list of what must pass.
.DEFAULT_GOAL := help
.PHONY: help fmt vet lint layers test race fuzz-smoke fuzz bench compare docs-check ci clean

FUZZTIME ?= 60
BENCH ?= .

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

fmt: ## format every Go file
	gofmt -w .

vet: ## vet and compile, tests too, for three systems and two architectures
	.ci/run vet

lint: ## golangci-lint, built from tools/go.mod (about a minute, once)
	.ci/run lint

layers: ## who imports whom, the module cut, the mirror of style
	go test -count=1 ./internal/layers

test: ## all tests of all modules
	go test work

race: ## the same under the race detector, shuffled (needs gcc)
	.ci/run tests

fuzz-smoke: ## every fuzz target for a few seconds
	.ci/run fuzz_smoke

fuzz: ## every fuzz target for FUZZTIME=60 seconds
	FUZZTIME=$(FUZZTIME) FUZZBUDGET=86400 .ci/run fuzz_smoke

bench: ## benchmarks that match BENCH=. with allocations
	go test -run='^$$' -bench='$(BENCH)' -benchmem work

compare: ## Plexus beside the floor and other systems, into docs/ (half an hour, fetches what is missing)
	go run ./bench/compare -install -docs docs

docs-check: ## links that lead somewhere, dependencies that are told
	go test -count=1 -run='^TestDocs' ./internal/layers

ci: ## everything that must pass before a change goes in
	.ci/run

clean: ## remove what was built here
	rm -rf .tmp
