package manypeers

import (
	"encoding/binary"

	"github.com/fastdisc/discv5/codec"
)

// Workload is the kind of request.
type Workload string

// Workloads. The answer to FindNode has 16 records where the server has them.
const (
	Ping     Workload = "ping"
	FindNode Workload = "findnode"
)

// Workloads lists all of them.
func Workloads() []Workload { return []Workload{Ping, FindNode} }

// message is the request of peer i.
func message(w Workload, i int) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], 1<<63|uint64(i))
	id, _ := codec.NewRequestID(b[:]) // 8 bytes are not too many
	if w == FindNode {
		distances, _, _ := codec.NewDistances(nil, []uint{codec.MaxDistance}) // a valid one
		return (&codec.FindNode{RequestID: id, Distances: distances}).Append(nil)
	}
	return (&codec.Ping{RequestID: id, RecordSeq: 1}).Append(nil)
}

// answers returns how many datagrams answer a request, if plain is the message of one of them, and
// how many records it has.
func answers(w Workload, plain []byte) (datagrams, records int) {
	kind, body, err := codec.SplitMessage(plain)
	switch {
	case err != nil:
	case w == Ping && kind == codec.TypePong:
		return 1, 0
	case w == FindNode && kind == codec.TypeNodes:
		var nodes codec.Nodes
		if nodes.Decode(body) != nil || nodes.Total > 16 {
			return 0, 0
		}
		for rest := nodes.Records; len(rest) > 0; records++ {
			if _, rest, err = codec.SplitRecord(rest); err != nil {
				return 0, 0
			}
		}
		return int(nodes.Total), records
	}
	return 0, 0
}
