package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Newcomers is what cmd/newcomers has found: how many new peers make their handshake at the first
// try beside a flood of messages under false names.
type Newcomers struct {
	Date       time.Time
	Machine    Machine
	Commands   []string
	Challenges [2]int        // room for challenges, before and now
	Trip       time.Duration // round trip of the new peers
	Rate       float64       // new peers in a second
	Slice      time.Duration
	Rows       []NewcomerRow
}

// NewcomerRow is one rate of junk at one server. Parts are 0 to 1, in the order of rounds.
type NewcomerRow struct {
	Server  string
	Junk    int       // messages in a second that were asked for
	Sent    []float64 // that left in a second
	Parts   []float64 // of the new peers, with a session at the first try
	Dropped []float64 // of all datagrams, by the kernel at the server's socket
}

// Before is the name of the server that -before of cmd/newcomers has given.
const Before = "discv5 before"

// NewcomerJunk are the rates of junk, in a second.
func NewcomerJunk() []int { return []int{0, 25_000, 50_000, 100_000, 200_000} }

// LoadNewcomers reads a file of cmd/newcomers. It returns nil if there is none.
func LoadNewcomers(path string) (*Newcomers, error) {
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	n := new(Newcomers)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(n); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrForm, path, err)
	}
	return n, nil
}

// Save writes the file.
func (n *Newcomers) Save(path string) error {
	b, err := json.MarshalIndent(n, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
