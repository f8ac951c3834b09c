package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"
)

// ManyPeers is what cmd/perfmany has found: the CPU time of the whole machine for exchanges with
// many peers that have one packet each.
type ManyPeers struct {
	Date     time.Time
	Machine  Machine
	Commands []string
	Rounds   int
	Slice    time.Duration
	Rows     []ManyRow
	Skipped  []Skipped `json:",omitempty"`
}

// ManyRow is one workload on one server. Samples are in the order of rounds.
type ManyRow struct {
	Server, Workload string
	Peers, Window    int
	Request          int   // bytes of a request
	Answers          []int // bytes of the datagrams that answer it
	Records          int   // node records in them
	Samples          []ManySample
}

// ManySample is one slice. Server is the CPU time of the server's threads, Receive that of the
// generator's thread while it sends, which includes the receive path, and Kernel that of
// ksoftirqd. Handshakes is counted for peers in turn only.
type ManySample struct {
	Exchanges, Sent         int
	Handshakes              int `json:",omitempty"`
	Server, Receive, Kernel time.Duration
	Elapsed                 time.Duration
}

// Parts returns the CPU time of an exchange in microseconds: that of the server for each answer,
// and that of receiving for each request.
func (s ManySample) Parts() (server, receive float64) {
	return Micros(s.Server) / float64(max(s.Exchanges, 1)), Micros(s.Receive+s.Kernel) / float64(max(s.Sent, 1))
}

// Cost is the sum of Parts.
func (s ManySample) Cost() float64 {
	server, receive := s.Parts()
	return server + receive
}

// Lost is the part of the requests that were not answered, 0 to 1.
func (s ManySample) Lost() float64 {
	return max(0, 1-float64(s.Exchanges)/float64(max(s.Sent, 1)))
}

// Servers of cmd/perfmany beside those of cmd/perf.
const (
	BareEcho   = "echo"
	NodeEcho   = "echo, sockets of package fastpath"
	XDPEcho    = "echo over fastpath/xdp, native copy"
	XDPReturn  = "XDP_TX"
	OwnNative  = "discv5 over fastpath/xdp, native copy"
	OwnGeneric = "discv5 over fastpath/xdp, generic"
	OwnFew     = "discv5 over fastpath/xdp, native copy, as few peers as others"
)

// InTurn is the workload of peers that ping in turn, from a socket, whether or not the server has
// kept their sessions.
const InTurn = "ping in turn"

// Row returns the row of a workload on a server, or nil.
func (m *ManyPeers) Row(workload, server string) *ManyRow {
	for i := range m.Rows {
		if r := &m.Rows[i]; r.Workload == workload && r.Server == server {
			return r
		}
	}
	return nil
}

// Ratios divides the costs of a row by those of the bare echo in the same round.
func (m *ManyPeers) Ratios(r *ManyRow) (list []float64) {
	base := m.Row(r.Workload, BareEcho)
	if base == nil {
		return nil
	}
	for i := range min(len(r.Samples), len(base.Samples)) {
		if x := r.Samples[i].Cost() / base.Samples[i].Cost(); !math.IsNaN(x) && !math.IsInf(x, 0) {
			list = append(list, x)
		}
	}
	return list
}

// LoadManyPeers reads a file of cmd/perfmany. It returns nil if there is none.
func LoadManyPeers(path string) (*ManyPeers, error) {
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := new(ManyPeers)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrForm, path, err)
	}
	return m, nil
}

// Save writes the file.
func (m *ManyPeers) Save(path string) error {
	b, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
