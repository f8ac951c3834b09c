package main

import (
	"crypto/rand"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// scriptedRegistrar is a registrar that answers each request with what a test says.
type scriptedRegistrar struct {
	record *enr.Record
	mu     sync.Mutex
	// requests of topics, in the order of arrival, with the time
	requests []scriptedRequest
}

type scriptedRequest struct {
	codec.RegTopic
	at time.Time
}

// got returns the requests so far.
func (s *scriptedRegistrar) got() []scriptedRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]scriptedRequest(nil), s.requests...)
}

// startScripted runs a registrar on loopback. answer returns the messages that answer a REGTOPIC or
// TOPICQUERY; number counts them from 1.
func startScripted(t *testing.T, answer func(number int, id codec.RequestID) [][]byte) *scriptedRegistrar {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	rec, err := enr.NewBuilder().SetIP(at.Addr()).SetUDP(at.Port()).SetTopicVersion(enr.TopicVersion).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	s := &scriptedRegistrar{record: rec}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.serve(conn, wiretest.PeerOf(t, key, rec, wiretest.Reader(1)), answer)
	}()
	t.Cleanup(func() {
		conn.Close()
		<-ended
	})
	return s
}

// serve answers packets until the socket is closed. It talks to one node at a time.
func (s *scriptedRegistrar) serve(conn *net.UDPConn, p *wiretest.Peer, answer func(int, codec.RequestID) [][]byte) {
	var ch session.Challenge
	var remote wiretest.Remote
	buf := make([]byte, codec.MaxPacketSize)
	number := 0
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		packet, err := p.Decode(buf[:n])
		if err != nil {
			continue
		}
		var plain []byte
		switch packet.Flag {
		case codec.FlagMessage:
			if p.Keys != nil {
				plain, _ = p.Open(packet)
			}
			if plain == nil {
				var b []byte
				remote.ID = packet.SourceID
				ch, b = p.Challenge(packet, remote, 0)
				send(conn, from, b)
				continue
			}
		case codec.FlagHandshake:
			a, err := p.Accept(&ch, packet, nil)
			if err != nil {
				continue
			}
			remote, plain = wiretest.RemoteOf(a.Record), a.Plaintext
		default:
			continue
		}
		t, body, err := codec.SplitMessage(plain)
		if err != nil {
			continue
		}
		var reply [][]byte
		switch t {
		case codec.TypePing:
			var m codec.Ping
			if m.Decode(body) == nil {
				reply = [][]byte{(&codec.Pong{RequestID: m.RequestID, RecordSeq: p.Record.Seq(), Recipient: from}).Append(nil)}
			}
		case codec.TypeFindNode:
			var m codec.FindNode
			if m.Decode(body) == nil {
				nodes := codec.Nodes{RequestID: m.RequestID, Total: 1, Records: p.Record.Bytes()}
				reply = [][]byte{nodes.Append(nil)}
			}
		case codec.TypeRegTopic:
			var m codec.RegTopic
			if m.Decode(append([]byte(nil), body...)) == nil {
				s.mu.Lock()
				s.requests = append(s.requests, scriptedRequest{m, time.Now()})
				number = len(s.requests)
				s.mu.Unlock()
				reply = answer(number, m.RequestID)
			}
		case codec.TypeTopicQuery:
			var m codec.TopicQuery
			if m.Decode(body) == nil {
				number++
				reply = answer(number, m.RequestID)
			}
		}
		for _, b := range reply {
			send(conn, from, p.Message(remote, b))
		}
	}
}

func send(conn *net.UDPConn, to netip.AddrPort, b []byte) {
	conn.WriteToUDPAddrPort(b, to) // a loss is one of the network
}

func confirmation(id codec.RequestID, ticket string, wait uint64) [][]byte {
	return [][]byte{(&codec.RegConfirmation{RequestID: id, Total: 1, Ticket: []byte(ticket), WaitTime: wait}).Append(nil)}
}

// A hostile registrar makes the tool neither hurry nor wait forever, and a refusal in any form is
// a failure.
func TestTopicRegisterHostile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		answer  func(number int, id codec.RequestID) [][]byte
		args    []string
		code    int
		says    string
		least   int // requests
		most    int
		results int // lines of standard output
	}{
		{"tickets without end", func(n int, id codec.RequestID) [][]byte { return confirmation(id, "ticket", 0) }, nil,
			cli.ExitFailed, "not admitted: 10 tickets, and no place", 10, 10, 10},
		{"a wait of half a million years", func(_ int, id codec.RequestID) [][]byte { return confirmation(id, "ticket", 1<<64-1) }, nil,
			cli.ExitFailed, "longer than --timeout allows", 1, 1, 1},
		{"a wait above the time that is left", func(_ int, id codec.RequestID) [][]byte { return confirmation(id, "ticket", 60_000) }, []string{"--timeout", "50s"},
			cli.ExitFailed, "not admitted: the registrar wants 1m0s more", 1, 1, 1},
		{"silent after the first ticket", func(n int, id codec.RequestID) [][]byte {
			if n > 1 {
				return nil
			}
			return confirmation(id, "ticket", 1)
		}, nil, cli.ExitFailed, "answers other requests, but not this one", 3, 3, 1},
		{"a ticket that is too large", func(_ int, id codec.RequestID) [][]byte { return confirmation(id, strings.Repeat("x", 257), 1) }, nil,
			cli.ExitFailed, "answers other requests, but not this one", 1, 1, 0},
		{"the answer of another request", func(_ int, _ codec.RequestID) [][]byte {
			other, _ := codec.NewRequestID([]byte{1, 2, 3, 4, 5, 6, 7, 8})
			return confirmation(other, "", 900_000)
		}, nil, cli.ExitFailed, "answers other requests, but not this one", 1, 1, 0},
		{"records in place of a confirmation", func(_ int, id codec.RequestID) [][]byte {
			return [][]byte{(&codec.Nodes{RequestID: id, Total: 1}).Append(nil)}
		}, nil, cli.ExitFailed, "answers other requests, but not this one", 1, 1, 0},
		{"admitted with the second ticket", func(n int, id codec.RequestID) [][]byte {
			if n > 2 {
				return confirmation(id, "", 900_000)
			}
			return confirmation(id, "ticket", 10)
		}, nil, cli.ExitOK, "", 3, 3, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := startScripted(t, c.answer)
			args := append([]string{"topic", "register", s.record.String(), "test", "--json", "--request-timeout", hasty}, c.args...)
			r := try(t, args...)
			got := s.got()
			if r.code != c.code || !strings.Contains(r.err, c.says) || strings.Count(r.out, "\n") != c.results {
				t.Errorf("%+v", r)
			}
			if len(got) < c.least || len(got) > c.most {
				t.Errorf("%d requests, want %d to %d", len(got), c.least, c.most)
			}
			if admitted := strings.Contains(r.out, `"admitted"`); admitted != (c.code == cli.ExitOK) {
				t.Errorf("%s", r.out)
			}
			for i := 1; i < len(got); i++ {
				if string(got[i].Ticket) != "ticket" {
					t.Errorf("request %d has ticket %q", i+1, got[i].Ticket)
				}
				// The repeated request of a chain comes after a timeout, all others after a wait.
				if d := got[i].at.Sub(got[i-1].at); d < leastWait-20*time.Millisecond {
					t.Errorf("request %d came %s after the one before", i+1, d)
				}
			}
		})
	}
}

// A registrar that answers a query with nonsense yields no result that is not an ad.
func TestTopicQueryHostile(t *testing.T) {
	t.Parallel()
	broken := []byte(nil)
	record := silence(t).Bytes()
	broken = append(append(broken, record[:len(record)-1]...), record[len(record)-1]^1)
	nodes := func(id codec.RequestID, records []byte) [][]byte {
		return [][]byte{(&codec.TopicNodes{Nodes: codec.Nodes{RequestID: id, Total: 1, Records: records}}).Append(nil)}
	}
	for _, c := range []struct {
		name   string
		answer func(number int, id codec.RequestID) [][]byte
		code   int
		says   string
		out    int
	}{
		{"an ad", func(_ int, id codec.RequestID) [][]byte { return nodes(id, record) }, cli.ExitOK, "1 ad, ", 1},
		{"a record with a bad signature", func(_ int, id codec.RequestID) [][]byte { return nodes(id, broken) }, cli.ExitOK, "0 ads", 0},
		{"an ad twenty times", func(_ int, id codec.RequestID) [][]byte {
			m := codec.TopicNodes{Nodes: codec.Nodes{RequestID: id, Total: 16, Records: record}}
			return slices.Repeat([][]byte{m.Append(nil)}, 20)
		}, cli.ExitOK, "1 ad, ", 1},
		{"a registrar that nobody asked for", func(_ int, id codec.RequestID) [][]byte {
			return [][]byte{(&codec.Nodes{RequestID: id, Total: 1, Records: record}).Append(nil)}
		}, cli.ExitOK, "0 ads, 0 registrars", 0},
		{"a confirmation", func(_ int, id codec.RequestID) [][]byte { return confirmation(id, "", 1) }, cli.ExitFailed, "answers other requests", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := startScripted(t, c.answer)
			r := try(t, "topic", "query", s.record.String(), "test", "--json", "-W", hasty)
			if r.code != c.code || !strings.Contains(r.err, c.says) || strings.Count(r.out, "\n") != c.out {
				t.Errorf("%+v", r)
			}
		})
	}
}
