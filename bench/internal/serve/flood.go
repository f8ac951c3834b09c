package serve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/internal/load"
)

// floodNice is the niceness of the thread that sends a flood: what else runs on its CPU, and
// measures, comes first.
const floodNice = 10

// flood sends junk: messages of the size of a PING, each of another node ID, that nobody can open.
// It runs in its own process, so it sends whatever the load generator does, and the scheduler keeps
// its share of the CPU from the generator.
type flood struct {
	load *load.Flood
}

// aim chooses the target.
func (f *flood) aim(c Command) error {
	f.close()
	to, err := load.ParseTarget(c.Record, false)
	if err != nil {
		return err
	}
	if to.Addr, err = netip.ParseAddrPort(c.To); err != nil {
		return err
	}
	if len(c.Sizes) != 1 {
		return fmt.Errorf("%d sizes of junk, want one", len(c.Sizes))
	}
	f.load, err = load.NewFlood(load.FloodConfig{Target: to, Size: c.Sizes[0]})
	return err
}

// send floods the target, and returns how much has left.
func (f *flood) send(c Command) (sent int, err error) {
	if f.load == nil {
		return 0, errors.New("a flood without a target")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread ends with the goroutine, because its niceness cannot be
		// undone.
		runtime.LockOSThread()
		if err = unix.Setpriority(unix.PRIO_PROCESS, 0, floodNice); err != nil {
			err = fmt.Errorf("niceness: %w", err)
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), c.For)
		defer cancel()
		sent, err = f.load.Run(ctx, c.Rate)
	}()
	<-done
	return sent, err
}

func (f *flood) ready() Reply { return Reply{Addr: loopback.String()} }
func (f *flood) usage(*Usage) {}
func (f *flood) echo([]int)   {}
func (f *flood) close() {
	if f.load != nil {
		f.load.Close()
	}
	f.load = nil
}
