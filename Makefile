# Build, run and check everything. A target passes ARGS to its program, FUZZTIME to each fuzz
# target, and TIMEOUT to the tests of each package.

GO        ?= go
ARGS      ?=
PERFARGS  ?=
TESTFLAGS ?=
TIMEOUT   ?= 5m
FUZZTIME  ?= 10s
BENCHTIME ?= 1s

# For race: the race detector takes ten times as long.
RACETIMEOUT ?= 15m

# For bench-diff: which benchmarks, how long each, how often, and of which packages.
BENCH     ?= .
DIFFTIME  ?= 100ms
DIFFCOUNT ?= 6
BENCHPKGS ?= ./aead ./codec ./internal/session ./table ./internal/engine ./topic ./enr ./limits ./internal/limiter ./internal/curve
STORE     ?= 0
SOAKTIME  ?= 1h
SOAKOUT   ?= $(CURDIR)/bin/soak

# Lint vets for these platforms. Tests run on the machine's own.
PLATFORMS = linux/amd64 linux/arm64 darwin/arm64 windows/amd64

# Lint checks all modules of the repository. Some of them build other implementations.
MODULES    ?= . $(sort $(patsubst ./%/go.mod,%,$(shell find . -mindepth 2 -name go.mod -not -path '*/node_modules/*' -not -path './bin/*')))

# Tools outside the module, each with its version. Make builds them into bin/tools.
GOLANGCI    = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
ACTIONLINT  = github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0
GORELEASER  = github.com/goreleaser/goreleaser/v2@v2.15.0
CYCLONEDX   = github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
TOOLS      ?= $(CURDIR)/bin/tools
# tool installs one of them, unless this version is there, and leaves its path in $$tool.
tool = tool=$(TOOLS)/$(subst /,_,$(1)); [ -x "$$tool" ] || { mkdir -p $(TOOLS) && \
	new=$$(mktemp -d $(TOOLS)/new.XXXXXX) && GOFLAGS= GOBIN=$$new $(GO) install $(1) && \
	mv $$new/* "$$tool" && rmdir $$new; } || exit 1

.PHONY: build run test test-tags cross race lint lint-platforms vulncheck release-tools release release-snapshot deb fuzz bench bench-diff bench-test perf perf-many perf-topics newpeers diff interop geth browser manifests fleet fleet-crawl sim sim-topics chaos flood soak clean

build:
	$(GO) build -trimpath -o bin/ ./cmd/...

# The command is not echoed: the record is the first line of the output.
run:
	@$(GO) run ./cmd/bootnode $(ARGS)

# All tests of the module. README.md says how long they take.
test:
	$(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) ./...

# Builds with tags. discv5debug poisons the buffers of handshake tasks that were released, and
# panics where one is used afterwards; it runs over the engine, the fuzz corpora, and what serves on
# real sockets. purego has no assembly. decred replaces the arithmetic of the curve (see
# SECURITY.md): the packages that compute with it, and whole nodes in the simulator.
test-tags:
	$(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) -short -tags discv5debug . ./fastpath ./internal/engine ./fuzz ./internal/load
	$(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) -short -tags purego ./aead ./internal/curve/... ./internal/session ./internal/engine
	$(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) -short -tags decred ./dnsdisc ./enr ./internal/curve/... ./internal/engine ./internal/session ./internal/wiretest ./simnet

# Tests the packages that depend on the processor, for 386, arm64 and s390x; see .ci/cross.
# Emulation is slow, so they have more time.
cross:
	GO="$(GO)" .ci/cross -timeout 15m $(TESTFLAGS)

# The tests of these packages use one goroutine, in which nothing can race, but for those with
# Concurrent in their names. internal/archtest looks after that.
SERIAL = internal/engine table topic

# internal/archtest reads sources, and internal/eclipse and the curve compute in one goroutine:
# nothing in them can race.
race:
	$(GO) test -race -timeout $(RACETIMEOUT) $(TESTFLAGS) -run Concurrent $(addprefix ./,$(SERIAL))
	$(GO) test -race -timeout $(RACETIMEOUT) $(TESTFLAGS) $$($(GO) list ./... | \
		grep -Ev '/internal/(archtest|eclipse|curve(/.*)?)$$' | grep -v $(foreach p,$(SERIAL),-e '/$(p)$$'))

# Formatting, vet for four platforms, golangci-lint with .golangci.yml for all modules of the
# repository, the workflow files, and the rules of internal/archtest. MODULES=. leaves out the
# modules that build go-ethereum.
lint: lint-platforms
	@bad=$$(gofmt -l .); if [ -n "$$bad" ]; then echo "gofmt: not formatted:"; echo "$$bad"; exit 1; fi
	@$(call tool,$(GOLANGCI)); for d in $(MODULES); do echo "golangci-lint $$d"; (cd $$d && $$tool run ./...) || exit 1; done
	@$(call tool,$(ACTIONLINT)); echo actionlint; $$tool
	$(GO) test ./internal/archtest

lint-platforms:
	@for p in $(PLATFORMS); do \
		echo "go vet $$p"; \
		if [ "$$p" = "$$($(GO) env GOHOSTOS)/$$($(GO) env GOHOSTARCH)" ]; then $(GO) vet ./... || exit 1; \
		else CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) vet ./... || exit 1; fi; \
	done

# Looks for known vulnerabilities in functions that the programs and packages call. It asks
# vuln.go.dev.
vulncheck:
	@$(call tool,$(GOVULNCHECK)); $$tool ./...

# Builds the tools of releases ahead of time: goreleaser takes minutes.
release-tools:
	@$(call tool,$(GORELEASER))
	@$(call tool,$(CYCLONEDX))

# Drafts a release on GitHub of the tag that is checked out. It needs GITHUB_TOKEN.
release:
	@$(call tool,$(CYCLONEDX)); ln -sf "$$tool" $(TOOLS)/cyclonedx-gomod; \
	$(call tool,$(GORELEASER)); PATH="$(TOOLS):$$PATH" $$tool release --clean

# Makes a release without publishing it: archives, checksums, SBOMs and packages in dist, and the
# image in dist/image if buildah is installed.
release-snapshot:
	@$(call tool,$(CYCLONEDX)); ln -sf "$$tool" $(TOOLS)/cyclonedx-gomod; \
	$(call tool,$(GORELEASER)); PATH="$(TOOLS):$$PATH" $$tool release --snapshot --clean --skip=publish $(RELEASEFLAGS)
	@if [ "$(IMAGE)" = no ]; then :; elif command -v buildah >/dev/null; then .ci/image dist dist/image; else echo "dist/image skipped: buildah is not installed"; fi

# Installs, starts, upgrades and removes the .deb in namespaces.
deb:
	GO="$(GO)" .ci/deb

# Runs every fuzz target of this module, of fuzz/diff and of fuzz/libsecp, one after the other, and
# prints a line for each; see docs/FUZZING.md. Their findings stay below testdata/fuzz. We bound the
# time for minimizing: scripts for a state machine could use all of it.
fuzz:
	@bad=0; \
	for dir in . fuzz/diff fuzz/libsecp; do \
		if [ $$dir = fuzz/libsecp ] && ! { [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null; }; then \
			echo "fuzz/libsecp skipped: it needs cgo and a C compiler"; continue; fi; \
		for pkg in $$(cd $$dir && $(GO) list ./...); do \
			list=$$(cd $$dir && $(GO) test -list '^Fuzz' $$pkg) || { echo "$$list"; exit 1; }; \
			for f in $$(echo "$$list" | grep '^Fuzz'); do \
				if out=$$(cd $$dir && $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x -parallel 2 $$pkg 2>&1); then \
					echo "$$pkg $$f: $$(echo "$$out" | grep '^fuzz: elapsed' | tail -1 | cut -d: -f2-)"; \
				else \
					echo "$$pkg $$f: FINDING"; echo "$$out"; bad=1; \
				fi; \
			done; \
		done; \
	done; exit $$bad

bench:
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

# Measures, writes bench/results/latest.json, and makes PERF.md and docs/img/perf-*.svg from it: a
# quarter of an hour on a quiet machine with two CPUs, two minutes or less with PERFARGS=-quick.
# Nothing is written if figures are missing, as with -only.
perf:
	cd bench && $(GO) run ./cmd/perf -o results/latest.json $(PERFARGS) && $(GO) run ./cmd/perfdoc

# Measures exchanges with many peers that have one packet each, over veth pairs in namespaces of its
# own, and writes bench/results/many_peers.json and PERF.md: about three minutes on a quiet machine
# with two CPUs, and minutes more to build other implementations. It needs root. MANYARGS are flags
# of cmd/perfmany, for example -rounds 3.
perf-many:
	@[ "$$(id -u)" = 0 ] || { echo "perf-many needs root: it makes network namespaces, veth pairs and XDP programs" >&2; exit 1; }
	cd bench && $(GO) run ./cmd/perfmany -o results/many_peers.json $(MANYARGS) && $(GO) run ./cmd/perfdoc

# Measures what a registrar of topics takes for its requests, and writes bench/results/topics.json
# and PERF.md: about four minutes on two CPUs. TOPICARGS are flags of cmd/perftopics, for example
# -rounds 50.
perf-topics:
	cd bench && $(GO) run ./cmd/perftopics -o results/topics.json $(TOPICARGS) && $(GO) run ./cmd/perfdoc

# Measures new peers beside floods, in turn with the node of commit BEFORE, and writes
# bench/results/new_peers.json and PERF.md: about three minutes on a quiet machine with two CPUs.
# NEWPEERARGS are flags of cmd/newpeers, for example -rounds 3.
BEFORE ?= 4839a4a
newpeers:
	rm -rf bin/before && git worktree prune && git worktree add -f --detach bin/before $(BEFORE)
	cd bin/before/bench && $(GO) build -o $(CURDIR)/bin/perf-before ./cmd/perf
	git worktree remove --force bin/before
	cd bench && $(GO) run ./cmd/newpeers -before ../bin/perf-before -o results/new_peers.json $(NEWPEERARGS) && $(GO) run ./cmd/perfdoc

# Compares the Go benchmarks with those of bench/results/bench.txt, and stores the new ones there
# with STORE=1: about three minutes on a quiet machine. All of them run once, then all once more, so
# that other load on the machine disturbs one run of each, and not all runs of one.
bench-diff:
	@[ -f bench/results/bench.txt ] || [ "$(STORE)" = 1 ] || { echo "There is nothing to compare with: make bench-diff STORE=1"; exit 1; }
	@dir=$$(mktemp -d) || exit 1; trap 'rm -rf "$$dir"' EXIT; new=$$dir/bench.txt; \
	$(GO) test -c -o "$$dir/" $(BENCHPKGS) || exit 1; \
	for i in $$(seq $(DIFFCOUNT)); do for p in $(BENCHPKGS); do \
		(cd $$p && "$$dir/$$(basename $$p).test" -test.run '^$$' -test.bench '$(BENCH)' -test.skip LookupLarge -test.benchmem -test.benchtime $(DIFFTIME)) \
			>>"$$new" 2>&1 || { cat "$$new"; exit 1; }; \
	done; done; \
	if [ -f bench/results/bench.txt ]; then (cd bench && $(GO) tool benchstat stored=results/bench.txt new="$$new") || exit 1; fi; \
	if [ "$(STORE)" = 1 ]; then cp "$$new" bench/results/bench.txt && chmod 644 bench/results/bench.txt && echo "stored in bench/results/bench.txt"; fi

# Tests the programs that measure.
bench-test:
	cd bench && $(GO) vet ./... && $(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) ./...

# Compares this module with go-ethereum's code on the same bytes, and with the results of
# libsecp256k1. The latter needs cgo and a C compiler; make says so if they are missing.
diff:
	cd fuzz/diff && $(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) ./...
	@if [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null; then \
		cd fuzz/libsecp && $(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) ./...; \
	else echo "fuzz/libsecp skipped: it needs cgo and a C compiler"; fi

interop:
	cd interop && $(GO) test -timeout 15m $(TESTFLAGS) ./...

# Runs the same tests on go-ethereum's discover.UDPv5 and on the adapter that replaces it.
geth:
	cd geth && $(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) ./...

# Tests the status page in Chromium; accessibility with axe-core, which npm fetches. Tests skip if a
# program is missing. BROWSER_SCREENSHOTS=DIR keeps pictures. They may take longer than others on a
# busy machine, as may those of fleet.
browser:
	cd test/browser && $(GO) vet ./... && $(GO) test -timeout 10m $(TESTFLAGS) ./...

# Tests processes that work together through a server of NATS, which the tests start.
fleet:
	cd test/fleet && $(GO) vet ./... && $(GO) test -p 1 -timeout 10m $(TESTFLAGS) ./...

# Measures how much faster four processes crawl 20,000 nodes on loopback than one: a round takes 12
# minutes, most of which is waiting.
FLEETROUNDS ?= 3
fleet-crawl:
	cd test/fleet && DISCV5_FLEET_CRAWL=$(FLEETROUNDS) $(GO) test -v -count 1 -timeout 2h -run '^TestFleetSpeed$$' $(TESTFLAGS) ./crawl

# Decodes deploy/kubernetes.yaml strictly into the types of the Kubernetes API, and checks that its
# parts refer to each other.
manifests:
	cd test/manifests && $(GO) vet ./... && $(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) ./...

# Simulates 20,000 nodes for one day, in 8.5 GB of memory; see docs/SIMULATION.md. ARGS selects
# other runs.
sim:
	$(GO) run ./cmd/sim $(ARGS)

# The gates of topic advertisement in full; see docs/TOPICS.md. They take about an hour and a half
# of processor time and 9 GB of memory. Each run fails if an invariant does not hold.
SIM_TOPICS = $(GO) run ./cmd/sim --nat 0 --ipv6 0 --dual 0 --sessions 300 --lookups 0 --join 5m
sim-topics:
	DISCV5_TOPIC_SIM=full $(GO) test -count=1 -timeout 30m -run 'G8|T0[123]|Study' -v ./topic
	$(SIM_TOPICS) --nodes 1000 --topics 20 --churn 0 --duration 90m --sample 15m
	$(SIM_TOPICS) --nodes 1000 --topics 20 --churn 0.1 --duration 90m --sample 30m
	$(SIM_TOPICS) --nodes 1000 --topics 20 --churn 0 --search --lead-in 25m --duration 60m --sample 15m --topic-lookups 600
	$(SIM_TOPICS) --nodes 5000 --topics 1 --capable 0.1 --churn 0 --search --lead-in 20m --duration 40m --sample 10m --topic-lookups 600 --audit 10
	for share in 0.2 0.33 0.5; do $(SIM_TOPICS) --nodes 5000 --topics 10 --zipf 0 --hostile $$share --churn 0 --lead-in 25m --duration 40m --sample 10m --topic-lookups 3000 || exit; done
	$(SIM_TOPICS) --nodes 5000 --topics 20 --churn 0 --search --lead-in 15m --duration 75m --sample 5m --topic-lookups 600 --memory 11000
	$(SIM_TOPICS) --nodes 10000 --topics 300 --churn 0 --duration 75m --sample 15m --topic-lookups 1500 --memory 11000
	$(SIM_TOPICS) --nodes 20000 --topics 300 --churn 0 --join 30m --duration 2h --sample 30m

# Tests real sockets in network namespaces with real faults, in two minutes; see docs/CHAOS.md. It
# needs root. Its tests mostly wait.
chaos:
	DISCV5_CHAOS=1 $(GO) test -v -count 1 -timeout $(TIMEOUT) -parallel 16 $(TESTFLAGS) ./test/chaos

# Measures how many requests of peers with sessions a bootnode answers next to a flood, without and
# with each mode of --filter. It needs root, and takes two minutes on two processors.
flood:
	DISCV5_FLOOD=1 $(GO) test -v -count 1 -timeout $(TIMEOUT) -run '^TestFlood$$' $(TESTFLAGS) ./test/filter

# Loads a bootnode for SOAKTIME and checks that nothing grows; see docs/SOAK.md. SIGINT ends it
# early, with the figures so far.
soak:
	DISCV5_SOAK=$(SOAKTIME) DISCV5_SOAK_OUT=$(SOAKOUT) $(GO) test -v -count 1 -timeout 25h -run '^TestSoak$$' $(TESTFLAGS) ./test/soak

clean:
	rm -rf bin dist
