package main

import (
	"runtime/debug"

	"github.com/fastdisc/discv5/bench/internal/foreign"
	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/bench/internal/serve"
)

// How the CPU time of a server was read.
const (
	byRusage = "getrusage(2) of the process itself"
	byClock  = "the process's CPU clock"
)

// interopDir is where the drivers of other implementations are, seen from bench/.
const interopDir = "../interop"

func (b *bench) served(name, version, cpu string) {
	b.report.Servers = append(b.report.Servers, results.Server{Name: name, Version: version, CPU: cpu})
}

func (b *bench) skip(name, why string) {
	b.logf("%s is left out: %s", name, why)
	b.report.Skipped = append(b.report.Skipped, results.Skipped{Name: name, Why: why})
}

// startForeign builds and starts the servers of other languages. A server that cannot be
// built or started is left out, and the report says why.
func (b *bench) startForeign(records []string) error {
	for _, f := range []struct {
		name  string
		build func(string) (foreign.Program, error)
	}{{results.Rust, foreign.Rust}, {results.TypeScript, foreign.TypeScript}} {
		b.logf("%s: build", f.name)
		p, err := f.build(interopDir)
		if err != nil {
			b.skip(f.name, err.Error())
			continue
		}
		child, err := serve.StartForeign(f.name, p.Argv, b.keys[0], b.serverCPU)
		if err != nil {
			b.skip(f.name, err.Error())
			continue
		}
		refused := 0
		for _, r := range records {
			if child.Add(r) != nil {
				refused++
			}
		}
		if refused > 0 {
			b.logf("%s: %d of %d records refused", f.name, refused, len(records))
		}
		sessions := min(b.few, foreignSessions)
		if b.quick {
			sessions = min(sessions, quickSessions)
		}
		t, err := b.connect(f.name, child, sessions)
		if err != nil {
			child.Close()
			b.skip(f.name, err.Error())
			continue
		}
		b.foreign = append(b.foreign, t)
		b.served(f.name, p.Version, byClock)
	}
	return nil
}

// gethVersion is that of the module that this program was built with.
func gethVersion() string {
	const path = "github.com/ethereum/go-ethereum"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version + ", p2p/discover.UDPv5"
			}
		}
	}
	return "p2p/discover.UDPv5"
}
