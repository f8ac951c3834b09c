package serve

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"syscall"
	"time"
)

// server is one of the kinds.
type server interface {
	ready() Reply
	usage(*Usage)
	echo(sizes []int)
	close()
}

// Main runs the server of spec until in ends.
func Main(spec Spec, in io.Reader, out io.Writer) error {
	enc := json.NewEncoder(out)
	s, err := start(spec)
	if err != nil {
		return enc.Encode(Reply{Error: err.Error()})
	}
	defer s.close()
	if err := enc.Encode(s.ready()); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var c Command
		var r Reply
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			r.Error = err.Error()
		} else if err := run(s, c, &r); err != nil {
			r.Error = err.Error()
		}
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

func start(spec Spec) (server, error) {
	switch spec.Kind {
	case KindNode:
		return startNode(spec)
	case KindEcho:
		return startEcho(spec)
	case KindBareEcho:
		return startBareEcho(spec)
	case KindXDPEcho:
		return startXDPEcho(spec)
	case KindGeth:
		return startGeth(spec)
	case KindPeers:
		return startPeers(spec)
	case KindFlood:
		return new(flood), nil
	case KindCore:
		return startCore(spec)
	}
	return nil, fmt.Errorf("unknown kind of server %q", spec.Kind)
}

func run(s server, c Command, r *Reply) error {
	switch c.Op {
	case "usage":
		common(&r.Usage)
		s.usage(&r.Usage)
	case "echo":
		s.echo(c.Sizes)
	case "gc":
		runtime.GC()
	case "free":
		runtime.GC() // what the first one finalizes, the next one frees
		debug.FreeOSMemory()
	case "inject":
		in, ok := s.(interface{ inject(Command) error })
		if !ok {
			return errors.New("sessions can be put into the engine alone")
		}
		return in.inject(c)
	case "aim", "flood":
		f, ok := s.(*flood)
		switch {
		case !ok:
			return errors.New("this is no flood")
		case c.Op == "aim":
			return f.aim(c)
		}
		var err error
		r.Sent, err = f.send(c)
		return err
	case "profile":
		if c.Path == "" {
			pprof.StopCPUProfile()
			return nil
		}
		f, err := os.Create(c.Path)
		if err != nil {
			return err
		}
		return pprof.StartCPUProfile(f)
	default:
		return fmt.Errorf("unknown command %q", c.Op)
	}
	return nil
}

// common fills in the figures of the process itself.
func common(u *Usage) {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err == nil {
		u.CPU = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
	}
	s := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	u.Allocs, u.Heap = s[0].Value.Uint64(), s[1].Value.Uint64()
	u.Resident, _ = resident(os.Getpid()) // 0 is taken for unknown
}
