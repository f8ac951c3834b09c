package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
)

func newPacketDecode(t *tool) *cobra.Command {
	var nodeID, readKey, protocol string
	c := &cobra.Command{
		Use: "decode DATAGRAM", Short: "Show header, authdata and message of a datagram",
		Long: `Show header, authdata and, with --read-key, the message of a datagram in hexadecimal digits.
DATAGRAM may be @FILE or - for standard input.

The sender has masked the header with the node ID of the recipient: --node-id.
Exit code 1: the message does not open with the key; 2: this is no packet to that node.`,
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			if nodeID == "" {
				return cli.Usagef("--node-id is missing: the node that the datagram was sent to")
			}
			id, err := t.idOf(nodeID)
			if err != nil {
				return place("--node-id", err)
			}
			p, err := parseProtocol(protocol)
			if err != nil {
				return place("--protocol-id", err)
			}
			var key []byte
			if readKey != "" {
				if key, err = parseHex(readKey); err != nil {
					// Do not quote the value: it may be most of a key.
					return cli.Usagef("--read-key: want 32 hexadecimal digits")
				}
				if len(key) != aead.KeySize {
					return cli.Usagef("--read-key has %d bytes, want %d", len(key), aead.KeySize)
				}
			}
			b, err := t.input(args[0])
			if err != nil {
				return place(argument(0), err)
			}
			raw, err := parseHex(strings.Join(words(b), ""))
			if err != nil {
				return place(argument(0), err)
			}
			i, err := decodePacket(raw, id, p, key)
			if i == nil {
				return place(argument(0), err)
			}
			t.print(i, i.text())
			return err
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&nodeID, "node-id", "", "node `ID`, or NODE, that the datagram was sent to")
	f.StringVar(&readKey, "read-key", "", "session `KEY` that opens the message, 32 hexadecimal digits")
	f.StringVar(&protocol, "protocol-id", "discv5", "protocol `ID` of the network, six characters")
	return c
}

// packetInfo describes a decoded packet. Byte strings are hexadecimal digits.
type packetInfo struct {
	Size       int    `json:"size"`
	IV         string `json:"iv"`
	ProtocolID string `json:"protocolId"`
	Version    uint16 `json:"version"`
	Flag       uint8  `json:"flag"`
	Kind       string `json:"kind"` // message, whoareyou or handshake
	Nonce      string `json:"nonce"`
	Authdata   string `json:"authdata"`

	SourceID     string      `json:"sourceId,omitempty"`
	IDNonce      string      `json:"idNonce,omitempty"`
	RecordSeq    *uint64     `json:"enrSeq,omitempty"`
	IDSignature  string      `json:"idSignature,omitempty"`
	EphemeralKey string      `json:"ephemeralKey,omitempty"`
	Record       *recordInfo `json:"record,omitempty"`
	RecordError  string      `json:"recordError,omitempty"`

	Ciphertext string       `json:"ciphertext,omitempty"`
	Plaintext  string       `json:"plaintext,omitempty"`
	Message    *messageInfo `json:"message,omitempty"`
}

// decodePacket decodes a datagram in place. If only the message cannot be decoded, it returns both
// the packet and an error.
func decodePacket(raw []byte, to enr.ID, proto codec.Protocol, key []byte) (*packetInfo, error) {
	size := len(raw)
	var p codec.Packet
	err := codec.NewDecoder((*[32]byte)(&to), proto).Decode(raw, &p)
	switch {
	case errors.Is(err, codec.ErrProtocol):
		return nil, cli.Usagef("not a packet to node %s of this protocol", to.Short())
	case err != nil:
		return nil, cli.Usagef("%d bytes: %w", size, err)
	}
	i := &packetInfo{
		Size: size, IV: hex.EncodeToString(p.AD[:codec.IVSize]), ProtocolID: string(proto.ID[:]), Version: proto.Version,
		Flag: uint8(p.Flag), Nonce: hex.EncodeToString(p.Nonce[:]),
		Authdata:   hex.EncodeToString(p.AD[codec.IVSize+codec.StaticHeaderSize:]),
		Ciphertext: hex.EncodeToString(p.Message),
	}
	switch p.Flag {
	case codec.FlagMessage:
		i.Kind, i.SourceID = "message", hex.EncodeToString(p.SourceID[:])
	case codec.FlagWhoareyou:
		i.Kind, i.IDNonce, i.RecordSeq = "whoareyou", hex.EncodeToString(p.IDNonce[:]), &p.RecordSeq
		return i, nil
	case codec.FlagHandshake:
		i.Kind, i.SourceID = "handshake", hex.EncodeToString(p.SourceID[:])
		i.IDSignature, i.EphemeralKey = hex.EncodeToString(p.Signature), hex.EncodeToString(p.EphemeralKey)
		if len(p.Record) > 0 {
			if v, err := enr.ParseView(p.Record); err != nil {
				i.RecordError = err.Error()
			} else {
				r := full(v)
				i.Record = &r
			}
		}
	}
	if key == nil {
		return i, nil
	}
	if err := aead.SelfTest(); err != nil {
		return i, err
	}
	plain, err := aead.NewCipher((*[aead.KeySize]byte)(key)).Open(nil, &p.Nonce, p.Message, p.AD)
	if err != nil {
		return i, errors.New("message does not open with the key of --read-key")
	}
	i.Plaintext = hex.EncodeToString(plain)
	if i.Message, err = decodeMessage(plain); err != nil {
		return i, fmt.Errorf("message opens, but is not well-formed: %w", err)
	}
	return i, nil
}

// text returns the form for people.
func (i *packetInfo) text() string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-13s %s\n", name, value)
		}
	}
	line("packet", fmt.Sprintf("%s (flag %d), %d bytes", i.Kind, i.Flag, i.Size))
	line("protocol", fmt.Sprintf("%s version %d", i.ProtocolID, i.Version))
	line("IV", i.IV)
	line("nonce", i.Nonce)
	line("authdata", i.Authdata)
	line("source ID", i.SourceID)
	line("ID nonce", i.IDNonce)
	if i.RecordSeq != nil {
		line("enr-seq", fmt.Sprint(*i.RecordSeq))
	}
	line("ID signature", i.IDSignature)
	line("ephemeral key", i.EphemeralKey)
	if i.Record != nil {
		line("record", fmt.Sprintf("%s (node %s, seq %d, signature %s)", i.Record.Record, i.Record.NodeID, i.Record.Seq, i.Record.Signature))
	}
	line("record", i.RecordError)
	line("ciphertext", i.Ciphertext)
	line("plaintext", i.Plaintext)
	if i.Message != nil {
		line("message", i.Message.text())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// messageInfo describes a decoded message. Fields holds the fields of its type.
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

// text returns the form for people.
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

// decodeMessage decodes a decrypted message of any type.
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
		order := "record-ticket" // of the specification
		if p.TicketFirst {
			order = "ticket-record" // of the reference fork
		}
		m.add("order", order)
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
		m.add("admitted", len(p.Ticket) == 0)
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

// records describes encoded records that follow one another. It shows the bytes of a record that it
// cannot parse.
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
