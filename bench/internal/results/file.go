package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// Version of the file's form. Files of older versions can be read: fields that they lack are empty.
// Since 2 there are floods, facts, and the quartiles of latency, since 3 this node without GSO,
// and beside 400,000 packets of junk a second.
const Version = 4

// ErrForm: a file is not one of results.
var ErrForm = errors.New("not a results file")

// File is all that a run found.
type File struct {
	Version  int
	Quick    bool // too short for its figures to be trusted
	Date     time.Time
	Machine  Machine
	Plan     Plan
	Commands []string  // literally what was run
	Servers  []Server  // what was measured
	Skipped  []Skipped // what could not be measured, and why

	Handshakes []Setup // sessions made before the workloads
	Rows       []Row
	Flood      []Flood `json:",omitempty"` // steady sessions beside junk
	Memory     []Memory
	Workers    []Workers
	Sessions   []Point // cost by number of sessions
	Junk       []Share // cost by share of junk
	Stages     []Stage
	Facts      []Fact `json:",omitempty"` // that tests print

	NewPeers *NewPeers `json:"-"` // of cmd/newpeers, which has a file of its own
	// of cmd/perfmany, which has a file of its own
	ManyPeers *ManyPeers `json:"-"`
	Topics    *Topics    `json:"-"` // of cmd/perftopics, which has a file of its own
}

// Machine describes the machine of the run.
type Machine struct {
	CPU    string
	CPUs   int // that the run could use
	Memory int // MiB
	Kernel string
	Go     string
	System string // GOOS/GOARCH
	// Load is the load average of five minutes before the run began: what else the machine had to
	// do.
	Load float64 `json:",omitempty"`
}

// Plan is how the run was made.
type Plan struct {
	Rounds   int
	Slice    time.Duration
	Window   int
	Burst    int
	Segments bool // the driver sends with segmentation offload
	Sleep    bool // the driver sleeps while it waits
}

// Server is an implementation under test.
type Server struct {
	Name    string
	Version string
	// CPU says how its CPU time was read.
	CPU string
}

// Skipped is a server or a section that is not there.
type Skipped struct{ Name, Why string }

// Setup is how sessions were made before the workloads.
type Setup struct {
	Server string
	Count  int
	CPU    float64 // µs each
}

// Row is one workload on one server. Costs are µs of the server's CPU time for an exchange.
type Row struct {
	Workload, Server string
	Sessions         int
	Request          int   // bytes
	Answer           []int // bytes of the datagrams; none if the server is silent
	Records          int   // node records in the answer
	Median           float64
	Low, High        float64 // quartiles over the rounds
	Ratio            float64 // to the echo server; 0 where there is none
	RatioLow         float64 // quartiles
	RatioHigh        float64
	Exchanges, Lost  int
	Rate             float64 // exchanges in a second, with the driver on a CPU of its own
	Allocs           float64 // objects for an exchange; -1 where it is not known
	Batch            float64 // datagrams in a receive call; 0 where it is not known
	// µs of a lone exchange, medians over the rounds; 0 where there is no answer
	P50, P99        float64
	P99Low, P99High float64 `json:",omitempty"` // quartiles of the rounds' p99
	Samples         []Sample
}

// Memory is what sessions take in a server's process.
type Memory struct {
	Server        string
	Sessions      int
	Before, After uint64 // bytes resident without and with the sessions
	// Exact is false where the figure has garbage in it that nobody outside of the process can have
	// collected.
	Exact bool
}

// Each is the memory of one session in bytes.
func (m Memory) Each() float64 {
	return (float64(m.After) - float64(m.Before)) / float64(max(m.Sessions, 1))
}

// Workers is a node with so many sockets, each served by a worker.
type Workers struct {
	Workers  int
	Sessions int
	Median   float64 // µs of CPU for an exchange
	Low      float64
	High     float64
	Rate     float64
	Shared   bool // the driver shares a CPU with the workers, so that Rate is not theirs
	Samples  []Sample
}

// Point is the cost of a PING with so many sessions.
type Point struct {
	Sessions  int
	Median    float64
	Low, High float64
	Bytes     float64 // of memory for a session
	Samples   []Sample
}

// Share is the cost of a datagram where Percent of all are junk.
type Share struct {
	Percent   int
	Median    float64
	Low, High float64
	Samples   []Sample
}

// Stage is a part of the packet path.
type Stage struct {
	Name      string
	Package   string
	Benchmark string
	Nanos     float64 // median
	Bytes     float64 // allocated
	Allocs    float64
	Runs      int
}

// Save writes f.
func (f *File) Save(path string) error {
	b, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// Load reads a file that Save has written.
func Load(path string) (*File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Parse reads the text of a file. Fields that are not known are refused: a document made without
// them would be wrong.
func Parse(b []byte) (*File, error) {
	f := new(File)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	if f.Version < 1 || f.Version > Version {
		return nil, fmt.Errorf("%w: version %d, want 1 to %d", ErrForm, f.Version, Version)
	}
	return f, nil
}
