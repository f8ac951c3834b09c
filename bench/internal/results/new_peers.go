package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// NewPeers is what cmd/newpeers has found: how many new peers make their handshake at the first
// try beside a flood of messages under false names.
type NewPeers struct {
	Date       time.Time
	Machine    Machine
	Commands   []string
	Challenges [2]int        // room for challenges, before and now
	Trip       time.Duration // round trip of the new peers
	Rate       float64       // new peers in a second
	Slice      time.Duration
	Rows       []NewPeerRow
}

// NewPeerRow is one rate of junk at one server. Parts are 0 to 1, in the order of rounds.
type NewPeerRow struct {
	Server  string
	Junk    int       // messages in a second that were asked for
	Sent    []float64 // that left in a second
	Parts   []float64 // of the new peers, with a session at the first try
	Dropped []float64 // of all datagrams, by the kernel at the server's socket
}

// Before is the name of the server that -before of cmd/newpeers has given.
const Before = "discv5 before"

// NewPeerJunk are the rates of junk, in a second.
func NewPeerJunk() []int { return []int{0, 25_000, 50_000, 100_000, 200_000} }

// LoadNewPeers reads a file of cmd/newpeers. It returns nil if there is none.
func LoadNewPeers(path string) (*NewPeers, error) {
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	n := new(NewPeers)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(n); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrForm, path, err)
	}
	return n, nil
}

// Save writes the file.
func (n *NewPeers) Save(path string) error {
	b, err := json.MarshalIndent(n, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
