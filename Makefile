# Everything that go build and go test do not already do by themselves. Run `make` for the list.

FUZZTIME ?= 5m
RUNS ?= 10

# Where make install puts mayfly, its man pages and its completions.
PREFIX ?= /usr/local
DESTDIR ?=

# What make release runs, and leaves out.
GORELEASER ?= go run github.com/goreleaser/goreleaser/v2@v2.13.1
SKIP ?= $(shell command -v syft >/dev/null || echo ,sbom)$(shell command -v docker >/dev/null || echo ,docker)

# Where make foreign keeps Debian's packages.
DEBIAN ?= $(HOME)/.cache/mayfly-debian

# Where make kernels keeps Debian's kernels and what the machines said, and which to run: ONLY=6.1-arm64,6.1-amd64
KERNELS ?= $(HOME)/.cache/mayfly-kernels
ONLY ?=

.PHONY: help build install man completions test cover lint bpf bench matrix foreign collector kernels kernels-smoke shapes race fuzz notices release

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

build: ## the command, ./mayfly
	go build -o mayfly ./cmd/mayfly

install: build man completions ## mayfly, its man pages and completions, below PREFIX (/usr/local)
	install -D -m 0755 mayfly $(DESTDIR)$(PREFIX)/bin/mayfly
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man1 build/man/*.1
	install -D -m 0644 build/completions/mayfly.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/mayfly
	install -D -m 0644 build/completions/_mayfly $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_mayfly
	install -D -m 0644 build/completions/mayfly.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/mayfly.fish

man: ## the man pages, into build/man
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} go run -tags man ./cmd/mayfly man build/man

completions: ## what makes a shell complete, into build/completions
	mkdir -p build/completions
	go run ./cmd/mayfly completion bash >build/completions/mayfly.bash
	go run ./cmd/mayfly completion zsh >build/completions/_mayfly
	go run ./cmd/mayfly completion fish >build/completions/mayfly.fish

test: ## all tests; as root also those that load eBPF programs
	go test ./...
	cd profiler/labels/rpc && go test ./...
	cd profiler/labels/otel && go test ./...
	cd cmd/kubectl-mayfly && go test ./...
	cd testdata/chart && go test ./...

cover: ## what the tests run of the code, into build/cover.html
	mkdir -p build
	go test -coverprofile=build/cover.out -coverpkg=./... ./...
	go tool cover -html=build/cover.out -o build/cover.html
	go tool cover -func=build/cover.out | tail -n 1

lint: ## gofmt, go vet on every platform, staticcheck, tidy go.mod
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	GOOS=linux GOARCH=amd64 go vet ./...
	GOOS=linux GOARCH=amd64 go vet -tags foreign ./internal/foreign
	GOOS=linux GOARCH=amd64 go vet -tags kernels ./internal/kernels
	go vet -tags man ./cmd/mayfly
	for module in testdata/chart testdata/collector testdata/foreign testdata/fulfil testdata/shapes profiler/labels/rpc profiler/labels/otel cmd/kubectl-mayfly; do (cd $$module && go vet ./...) || exit 1; done
	GOOS=linux GOARCH=arm64 go vet ./...
	GOOS=darwin GOARCH=arm64 go vet ./...
	GOOS=windows GOARCH=amd64 go vet ./...
	go tool staticcheck ./...
	go mod tidy -diff

bpf: ## the eBPF objects again from C (clang-19, llvm-19, libbpf-dev)
	go generate ./internal/source/bpf

bench: ## cost to the target, own cost, symbols per second (about 40 minutes, as root, on a quiet machine)
	go test -run '^$$' -bench . -timeout 60m -p 1 ./symbolize ./profiler ./internal/fold ./internal/source/bpf ./internal/source/goroutine ./internal/baseline ./cmd/mayfly

matrix: ## all tests against programs of every Go release and build mode we support
	MAYFLY_MATRIX=all go test -timeout 60m ./...

foreign: ## etcd, caddy, nats-server, prometheus and dockerd under load, a row for each (as root; Debian or go without the last two)
	mkdir -p $(DEBIAN)
	cd $(DEBIAN) && for p in prometheus docker.io containerd runc; do \
		[ -d $$p ] || { apt-get download -q $$p && dpkg-deb -x $${p}_*.deb $$p && rm $${p}_*.deb; } || echo "no $$p"; \
	done
	go test -tags foreign -count=1 -v -timeout 30m -run TestServers ./internal/foreign -debian=$(DEBIAN)

collector: ## what OpenTelemetry's Collector has of a profile, and build/otelcol, which shows it (docs/push.md; some minutes)
	cd testdata/collector && go test ./...
	mkdir -p build
	cd testdata/collector/server && go build -o ../../../build/otelcol .

kernels: ## the kernel's tests on Debian's kernels, amd64 and arm64, in emulated machines; writes docs/kernels.md (Debian with qemu; about an hour)
	go test -tags kernels -count=1 -v -timeout 3h ./internal/kernels -run 'Kernels|Archive|Newest|Judge|WithRows' \
		-kernels=$(KERNELS) -kernels.only=$(ONLY) -kernels.page=$(CURDIR)/docs/kernels.md

kernels-smoke: ## make kernels with 6.1 of both architectures
	$(MAKE) kernels ONLY=6.1-arm64,6.1-amd64

shapes: ## every service of testdata/shapes recorded RUNS times, and what mayfly report says of it (as root; 15 minutes a run)
	go test -count=1 -v -timeout 0 -run TestShapesRuns ./internal/shapes -shapes.runs $(RUNS)

race: ## the race detector on what has goroutines, helper processes included (as root all of it)
	.ci/race

fuzz: ## each fuzz target for FUZZTIME (make fuzz FUZZTIME=10m)
	.ci/fuzz $(FUZZTIME)

notices: ## THIRD_PARTY_NOTICES again from the modules that the command links
	go generate ./internal/house

release: ## archives, packages and images of this commit into dist, nothing published (syft and docker, or without what they make)
	$(GORELEASER) release --snapshot --clean --skip=publish$(SKIP)
