package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/cli"
)

const vectorNode = "bbbb9d047f0488c0b5a93c1c3f2d8bafc7c8ff337024a55434a0d0555de64db9"

// vector is a packet of discv5-wire-test-vectors.md.
type vector struct {
	Name   string
	Fields map[string]string
	Packet string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "packets.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestPacketDecode(t *testing.T) {
	source := "aaaa8419e9f49d0083561b48287df592939a8d19947d8c0ef88f2a4856a69fbb"
	for i, v := range vectors(t) {
		args := []string{"packet", "decode", "--node-id", "0x" + vectorNode, v.Packet}
		key := v.Fields["read-key"]
		if key != "" {
			args = append(args, "--read-key", key)
		}
		o := objects(t, args...)[0]
		if o["flag"] != []float64{0, 1, 2, 2}[i] || o["protocolId"] != "discv5" || o["version"] != 1.0 {
			t.Errorf("%s: %v", v.Name, o)
		}
		if i == 1 {
			if o["idNonce"] != v.Fields["whoareyou.id-nonce"][2:] || o["nonce"] != v.Fields["whoareyou.request-nonce"][2:] || o["enrSeq"] != 0.0 {
				t.Errorf("%s: %v", v.Name, o)
			}
			continue
		}
		m, _ := o["message"].(map[string]any)
		if o["sourceId"] != source || m["type"] != "PING" || m["requestId"] != "00000001" {
			t.Errorf("%s: %v", v.Name, o)
		}
		if i > 1 && o["ephemeralKey"] != v.Fields["ephemeral-pubkey"][2:] {
			t.Errorf("%s: %v", v.Name, o)
		}
		if record, ok := o["record"].(map[string]any); (i == 3) != ok || ok && (record["nodeId"] != source || record["valid"] != true) {
			t.Errorf("%s: record %v", v.Name, o["record"])
		}
		if out := must(t, args...); !strings.Contains(out, "PING request-id=00000001 enr-seq=") {
			t.Errorf("%s:\n%s", v.Name, out)
		}
	}
}

func TestPacketInput(t *testing.T) {
	v := vectors(t)[0]
	digits := strings.TrimPrefix(v.Packet, "0x")
	lines := digits[:50] + "\n" + digits[50:] + "\n"
	for _, r := range []result{
		try(t, "packet", "decode", "--node-id", vectorNode, digits),
		try(t, "packet", "decode", "--node-id", vectorNode, "@"+file(t, "packet", lines)),
		tryInput(t, lines, "packet", "decode", "--node-id", vectorNode, "-"),
	} {
		if r.code != cli.ExitOK || !strings.Contains(r.out, "message (flag 0), 95 bytes") {
			t.Errorf("%+v", r)
		}
	}
	// With a wrong key, the command still shows the header.
	r := try(t, "packet", "decode", "--node-id", vectorNode, "--read-key", strings.Repeat("11", 16), digits)
	if r.code != cli.ExitFailed || !strings.Contains(r.out, "source ID") || !strings.Contains(r.err, "does not open") {
		t.Errorf("%+v", r)
	}
}

// Every type of message has a form for people and one for programs.
func TestMessages(t *testing.T) {
	id, _ := codec.NewRequestID([]byte{1, 2})
	d, _, err := codec.NewDistances(nil, []uint{256, 0})
	if err != nil {
		t.Fatal(err)
	}
	record, err := parseRecord(goodRecord)
	if err != nil {
		t.Fatal(err)
	}
	topic := [32]byte{31: 9}
	for _, c := range []struct {
		plain []byte
		want  string
	}{
		{(&codec.Ping{RequestID: id, RecordSeq: 7}).Append(nil), "PING request-id=0102 enr-seq=7"},
		{(&codec.Pong{RequestID: id, RecordSeq: 7, Recipient: record4(t)}).Append(nil), "PONG request-id=0102 enr-seq=7 recipient=127.0.0.1:30303"},
		{(&codec.FindNode{RequestID: id, Distances: d}).Append(nil), "FINDNODE request-id=0102 distances=[256 0]"},
		{(&codec.Nodes{RequestID: id, Total: 2, Records: record.Bytes()}).Append(nil), "NODES request-id=0102 total=2\n  " + goodRecord},
		{(&codec.TalkRequest{RequestID: id, Protocol: []byte("chat"), Payload: []byte("hi")}).Append(nil), "TALKREQ request-id=0102 protocol=chat payload=6869"},
		{(&codec.TalkResponse{RequestID: id, Payload: []byte("hi")}).Append(nil), "TALKRESP request-id=0102 payload=6869"},
		{(&codec.RegTopic{RequestID: id, Topic: topic, Record: record.Bytes(), Ticket: []byte{1}, Distances: d}).Append(nil), "ticket=01 distances=[256 0]\n  " + goodRecord},
		{(&codec.RegTopic{RequestID: id, Topic: topic, Record: record.Bytes(), Distances: d}).Append(nil), "REGTOPIC request-id=0102 order=record-ticket topic=0000"},
		{(&codec.RegTopic{RequestID: id, Topic: topic, Record: record.Bytes(), Ticket: []byte{1, 2}, Distances: d, TicketFirst: true}).Append(nil),
			"order=ticket-record topic=" + strings.Repeat("00", 31) + "09 ticket=0102 distances=[256 0]\n  " + goodRecord},
		{(&codec.RegTopic{RequestID: id, Topic: topic, Record: record.Bytes(), TicketFirst: true}).Append(nil), "order=ticket-record"},
		{(&codec.RegConfirmation{RequestID: id, Total: 1, WaitTime: 30}).Append(nil), "REGCONFIRMATION request-id=0102 total=1 ticket= wait-time-ms=30 admitted=true"},
		{(&codec.RegConfirmation{RequestID: id, Total: 2, Ticket: []byte{7}, WaitTime: 1<<64 - 1}).Append(nil), "ticket=07 wait-time-ms=18446744073709551615 admitted=false"},
		{(&codec.TopicNodes{Nodes: codec.Nodes{RequestID: id, Total: 3, Records: record.Bytes()}}).Append(nil), "TOPICNODES request-id=0102 total=3\n  " + goodRecord},
		{(&codec.TopicQuery{RequestID: id, Topic: topic, Distances: d}).Append(nil), "TOPICQUERY request-id=0102 topic=0000"},
		{(&codec.TopicNodes{Nodes: codec.Nodes{RequestID: id, Total: 1}}).Append(nil), "TOPICNODES request-id=0102 total=1"},
	} {
		m, err := decodeMessage(c.plain)
		if err != nil {
			t.Errorf("%s: %v", c.want, err)
			continue
		}
		if got := m.text(); !strings.Contains(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
		if _, err := json.Marshal(m); err != nil {
			t.Error(err)
		}
		if _, err := decodeMessage(c.plain[:len(c.plain)-1]); err == nil {
			t.Errorf("%s: truncated message is accepted", c.want)
		}
	}
}
