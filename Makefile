# Everything that is built, run and checked. ARGS goes to the program that a target runs, FUZZTIME to each fuzz target,
# TIMEOUT to the tests of each package.

GO        ?= go
ARGS      ?=
PERFARGS  ?=
TESTFLAGS ?=
TIMEOUT   ?= 5m
FUZZTIME  ?= 10s
BENCHTIME ?= 1s

# The platforms that go vet looks at. Tests run on the machine's own.
PLATFORMS = linux/amd64 linux/arm64 darwin/arm64 windows/amd64

.PHONY: build run test race lint fuzz bench perf interop sim chaos soak clean

build:
	$(GO) build -trimpath -o bin/ ./cmd/...

run:
	$(GO) run ./cmd/bootnode $(ARGS)

# The second run is of the build that poisons returned buffers and panics where one is used again, the third of what
# runs where there is no assembly.
test: lint
	$(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) ./...
	$(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) -short -tags discv5debug . ./fastpath
	$(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) -short -tags purego ./aead ./session ./engine

# internal/archtest reads sources: nothing in it can race.
race:
	$(GO) test -race -timeout $(TIMEOUT) $(TESTFLAGS) $$($(GO) list ./... | grep -v /internal/archtest)

# The dependency picture, the forms of the sources and the doc comments are held by internal/archtest.
lint:
	@bad=$$(gofmt -l .); if [ -n "$$bad" ]; then echo "gofmt: not formatted:"; echo "$$bad"; exit 1; fi
	@for p in $(PLATFORMS); do \
		echo "go vet $$p"; \
		if [ "$$p" = "$$($(GO) env GOHOSTOS)/$$($(GO) env GOHOSTARCH)" ]; then $(GO) vet ./... || exit 1; \
		else CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) vet ./... || exit 1; fi; \
	done
	$(GO) test ./internal/archtest

# Every fuzz target of the module, one after the other. What they find is kept below testdata/fuzz.
fuzz:
	@for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$f"; \
			$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

bench:
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

perf:
	cd bench && $(GO) run ./cmd/perf $(PERFARGS)

interop:
	cd interop && $(GO) test -timeout 15m $(TESTFLAGS) ./...

sim:
	$(GO) test -count=1 -v -run Swarm $(TESTFLAGS) ./engine

chaos soak:
	@echo "make $@: there is no such test yet"; exit 1

clean:
	rm -rf bin
