package codec

import "github.com/fastdisc/discv5/internal/rlp"

// FindNode requests records by log distance from the recipient (FINDNODE, 0x03).
type FindNode struct {
	RequestID RequestID
	Distances Distances // 0 requests the recipient's own record
}

// Append appends the message with its type byte.
func (m *FindNode) Append(dst []byte) []byte {
	dst = begin(dst, TypeFindNode, &m.RequestID, m.Distances.size())
	return m.Distances.append(dst)
}

// Decode decodes the list that SplitMessage returned. Distances points into body.
func (m *FindNode) Decode(body []byte) error {
	b, err := open(body, &m.RequestID)
	if err != nil {
		return err
	}
	m.Distances, b, err = splitDistances(b)
	return end(b, err)
}

// Nodes carries records (NODES, 0x04). TOPICNODES, 0x0a, has the same form.
type Nodes struct {
	RequestID RequestID
	// Total is the number of packets that answer the request, as the sender claims. It may be 0 or
	// absurdly large.
	Total uint64
	// Records is the payload of the list: concatenated encoded records. Each is an RLP list; its
	// content is not checked.
	Records []byte
}

// nodesOverhead is an upper bound of the size of a NODES message without its records: type byte,
// list header (3), request ID (9), total (2), header of the records' list (3).
const nodesOverhead = 1 + 3 + 1 + MaxRequestID + 2 + 3

// MaxNodesPayload is the number of bytes of records that fit into any NODES packet.
const MaxNodesPayload = MaxMessageSize - nodesOverhead

// Append appends the message with its type byte.
func (m *Nodes) Append(dst []byte) []byte {
	return append(AppendNodesHeader(dst, TypeNodes, &m.RequestID, m.Total, len(m.Records)), m.Records...)
}

// AppendNodesHeader appends a NODES or TOPICNODES message up to the records. The caller must then
// append exactly size bytes of records.
func AppendNodesHeader(dst []byte, t MessageType, id *RequestID, total uint64, size int) []byte {
	dst = begin(dst, t, id, rlp.Uint64Size(total)+rlp.HeaderSize(size)+size)
	dst = rlp.AppendUint64(dst, total)
	return rlp.AppendListHeader(dst, size)
}

// Decode decodes the list that SplitMessage returned. Records points into body.
func (m *Nodes) Decode(body []byte) error {
	b, err := open(body, &m.RequestID)
	if err != nil {
		return err
	}
	if m.Total, b, err = rlp.Uint64(b); err != nil {
		return err
	}
	if m.Records, b, err = rlp.List(b); err != nil {
		return err
	}
	for l := m.Records; len(l) > 0; {
		if _, l, err = rlp.List(l); err != nil {
			return err
		}
	}
	return end(b, nil)
}

// SplitRecord splits the first encoded record, including its header, off the Records of a NODES
// message.
func SplitRecord(records []byte) (record, rest []byte, err error) {
	_, rest, err = rlp.List(records)
	if err != nil {
		return nil, nil, err
	}
	return records[:len(records)-len(rest)], rest, nil
}
