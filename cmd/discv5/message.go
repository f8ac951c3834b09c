package main

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// messageInfo is a message taken apart. Fields holds what its type has, in its order.
type messageInfo struct {
	Type      string         `json:"type"`
	RequestID string         `json:"requestId"`
	Fields    map[string]any `json:"fields,omitempty"`
	Records   []recordInfo   `json:"records,omitempty"`
	order     []string       // of Fields
}

func (m *messageInfo) add(name string, value any) {
	if m.Fields == nil {
		m.Fields = map[string]any{}
	}
	m.Fields[name] = value
	m.order = append(m.order, name)
}

// text is the form for people.
func (m *messageInfo) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s request-id=%s", m.Type, m.RequestID)
	for _, name := range m.order {
		fmt.Fprintf(&b, " %s=%v", name, m.Fields[name])
	}
	for _, r := range m.Records {
		fmt.Fprintf(&b, "\n  %s", r.Record)
	}
	return b.String()
}

// decodeMessage reads a decrypted message of any type.
func decodeMessage(plain []byte) (*messageInfo, error) {
	t, body, err := codec.SplitMessage(plain)
	if err != nil {
		return nil, err
	}
	m := &messageInfo{Type: t.String()}
	var id codec.RequestID
	switch t {
	case codec.TypePing:
		var p codec.Ping
		err = p.Decode(body)
		id = p.RequestID
		m.add("enr-seq", p.RecordSeq)
	case codec.TypePong:
		var p codec.Pong
		err = p.Decode(body)
		id = p.RequestID
		m.add("enr-seq", p.RecordSeq)
		m.add("recipient", p.Recipient.String())
	case codec.TypeFindNode:
		var p codec.FindNode
		err = p.Decode(body)
		id = p.RequestID
		m.add("distances", distances(p.Distances))
	case codec.TypeNodes, codec.TypeTopicNodes:
		var p codec.Nodes
		err = p.Decode(body)
		id = p.RequestID
		m.add("total", p.Total)
		m.Records = records(p.Records)
	case codec.TypeTalkRequest:
		var p codec.TalkRequest
		err = p.Decode(body)
		id = p.RequestID
		m.add("protocol", printable(p.Protocol))
		m.add("payload", hex.EncodeToString(p.Payload))
	case codec.TypeTalkResponse:
		var p codec.TalkResponse
		err = p.Decode(body)
		id = p.RequestID
		m.add("payload", hex.EncodeToString(p.Payload))
	case codec.TypeRegTopic:
		var p codec.RegTopic
		err = p.Decode(body)
		id = p.RequestID
		m.add("topic", hex.EncodeToString(p.Topic[:]))
		m.add("ticket", hex.EncodeToString(p.Ticket))
		m.add("distances", distances(p.Distances))
		m.Records = records(p.Record)
	case codec.TypeRegConfirmation:
		var p codec.RegConfirmation
		err = p.Decode(body)
		id = p.RequestID
		m.add("total", p.Total)
		m.add("ticket", hex.EncodeToString(p.Ticket))
		m.add("wait-time-ms", p.WaitTime)
	case codec.TypeTopicQuery:
		var p codec.TopicQuery
		err = p.Decode(body)
		id = p.RequestID
		m.add("topic", hex.EncodeToString(p.Topic[:]))
		m.add("distances", distances(p.Distances))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}
	m.RequestID = hex.EncodeToString(id.Bytes())
	return m, nil
}

func distances(d codec.Distances) []int {
	list := []int{}
	for {
		n, ok := d.Next()
		if !ok {
			return list
		}
		list = append(list, n)
	}
}

// records reads encoded records that stand one after another. Of one that cannot be read the bytes
// are shown.
func records(b []byte) (list []recordInfo) {
	for len(b) > 0 {
		one, rest, err := codec.SplitRecord(b)
		if err != nil {
			return list
		}
		b = rest
		v, err := enr.ParseView(one)
		if err != nil {
			list = append(list, recordInfo{Record: hex0x(one), Signature: err.Error()})
			continue
		}
		list = append(list, brief(v))
	}
	return list
}
