package serve

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/fastdisc/discv5/bench/internal/drive"
	"github.com/fastdisc/discv5/enr"
)

// flood sends junk: messages of the size of a PING, each of another node ID, that nobody can open.
// It is a process of its own, so that it sends whatever the driver does, and takes no time of the
// driver's that a scheduler would not give it.
type flood struct {
	socket   *drive.Socket
	requests *drive.Requests
}

// aim makes the junk for one target. It is new each time: servers remember challenges for a while.
func (f *flood) aim(c Command) error {
	f.close()
	addr, err := netip.ParseAddrPort(c.To)
	if err != nil {
		return err
	}
	rec, err := enr.ParseText(c.Record)
	if err != nil {
		return err
	}
	if c.Count < 1 || len(c.Sizes) != 1 {
		return fmt.Errorf("%d packets of %d sizes", c.Count, len(c.Sizes))
	}
	if f.socket, err = drive.Dial(addr); err != nil {
		return err
	}
	client, err := drive.NewClient(f.socket, rec)
	if err != nil {
		return err
	}
	f.requests = client.Random(c.Count, c.Sizes[0])
	return nil
}

// send floods the target, and returns how much has left.
func (f *flood) send(c Command) (sent int, err error) {
	if f.requests == nil {
		return 0, errors.New("a flood without a target")
	}
	done := make(chan struct{})
	go func() { // on a thread of its own
		defer close(done)
		sent, err = f.socket.Junk(f.requests, c.Rate, c.For)
	}()
	<-done
	return sent, err
}

func (f *flood) ready() Reply { return Reply{Addr: loopback.String()} }
func (f *flood) usage(*Usage) {}
func (f *flood) echo([]int)   {}
func (f *flood) close() {
	if f.socket != nil {
		f.socket.Close()
	}
	f.socket, f.requests = nil, nil
}
