// Package serve runs the servers that are measured, each in a process of its own, pinned to one
// CPU.
//
// # Control
//
// The parent writes one JSON [Command] a line to the child's standard input and reads one JSON
// [Reply] a line from its standard output. The first reply comes unasked, when the server is ready.
// End of input ends the child.
//
//	parent                     child
//	       <- Reply (ready)
//	  Command{usage}        ->
//	       <- Reply (usage)
//
// Servers of other languages speak the protocol of the drivers of module interop instead, see
// [StartForeign].
//
// CPU time is what the kernel accounts to the child: getrusage(2) of the whole process, user and
// system. It holds what the kernel does for the server's own system calls, and on loopback also the
// delivery of what it sends, but no work of the load generator. For a foreign process the parent
// reads the CPU clock of the process: the sum that /proc/PID/stat has in ticks, in nanoseconds.
package serve

import (
	"time"
)

// Kinds of servers.
const (
	KindNode     = "discv5"      // this project's node
	KindEcho     = "echo"        // recvmmsg and sendmmsg, nothing else
	KindGeth     = "go-ethereum" // p2p/discover.UDPv5
	KindPeers    = "peers"       // nodes that fill the tables of the others
	KindFlood    = "flood"       // no server: it sends junk to one
	KindBareEcho = "bare echo"   // recvmmsg and sendmmsg of a socket with the options of the system
	KindXDPEcho  = "XDP echo"    // package fastpath/xdp, nothing else
	// this project's sockets and engine without the node around them: sessions can be put in
	KindCore = "engine"
)

// Spec describes the server that a child runs.
type Spec struct {
	Kind       string
	Key        string   // hexadecimal private key; of the first node for KindPeers
	Sessions   int      // room for sessions
	Challenges int      // room for challenges
	Workers    int      // sockets with a worker each; 0 is 1
	Single     bool     // no GSO: each datagram passes the kernel separately
	Registrar  bool     // of topics
	Listen     string   // address and port; empty: any port of the loopback interface
	XDP        string   // interface for fastpath/xdp, in the form of xdp.ParseInterface
	Bootnodes  []string // records
	Peers      []string // KindPeers: private keys
}

// Command is a request to a child.
type Command struct {
	Op    string // "usage", "echo", "profile", "gc", "free", "inject", "aim", "flood"
	Sizes []int  // echo: the datagrams that answer each one that arrives; aim: the size of the junk
	Path  string // profile: file; empty ends the profile
	Seed  uint64 // inject: of load.SeededSession
	Count int    // inject: sessions
	From  string // inject: the endpoint that they are with

	To, Record string        // aim: endpoint and record of the target
	Rate       float64       // flood: packets in a second; 0 is as many as a CPU can send
	For        time.Duration // flood: how long
}

// Reply is the answer of a child.
type Reply struct {
	Error   string   `json:",omitempty"`
	Addr    string   `json:",omitempty"` // ready: where the server listens
	Records []string `json:",omitempty"` // ready: the records of its nodes
	Usage   Usage
	Sent    int `json:",omitempty"` // flood: packets that have left
}

// Usage is the CPU time and memory that a child has used since it started.
type Usage struct {
	CPU       time.Duration // user and system
	Allocs    uint64        // objects on the heap
	Heap      uint64        // bytes in use
	Resident  uint64        // bytes of the process in memory
	RxPackets uint64        // received through fastpath; 0 for others
	RxBatches uint64
	TxBatches uint64
	Drops     uint64 // by the kernel at the socket; a GRO batch is one
	Fallbacks uint64 // answers that left through a socket instead of AF_XDP
	Sessions  int
	// Dropped has the counters of refused datagrams that are not zero.
	Dropped map[string]uint64 `json:",omitempty"`
}
