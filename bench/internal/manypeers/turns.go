package manypeers

import (
	"fmt"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// Turns sends one PING of each peer in turn from a socket, and makes a session wherever the server
// asks for one. It measures servers that cannot keep a session of each peer, to which Load has no
// way to answer.
type Turns struct {
	h    *handshaker
	next int
}

// Turns opens the socket. Callers must close it, and use no Load of the same link meanwhile. record
// is the server's.
func (k *Link) Turns(peers []Peer, record string) (*Turns, error) {
	h, err := newHandshaker(k, peers, record)
	if err != nil {
		return nil, fmt.Errorf("peers in turn: %w", err)
	}
	return &Turns{h: h}, nil
}

// Measure has the next count peers ping the server, with up to window of them under way, and
// returns the CPU time of the server process. The receive path is not counted.
func (t *Turns) Measure(count, window, pid int) (s results.ManySample, err error) {
	server, err := processTime(pid)
	if err != nil {
		return s, err
	}
	began, handshakes := time.Now(), t.h.handshakes
	if err := t.h.pingInTurn(t.next, count, window); err != nil {
		return s, fmt.Errorf("peers in turn: %w", err)
	}
	t.next = (t.next + count) % len(t.h.list)
	time.Sleep(settle)
	end, err := processTime(pid)
	return results.ManySample{
		Exchanges: count, Sent: count, Handshakes: t.h.handshakes - handshakes, Elapsed: time.Since(began), Server: end - server,
	}, err
}

// Close closes the socket.
func (t *Turns) Close() { t.h.conn.Close() }
