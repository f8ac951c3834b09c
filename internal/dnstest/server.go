// Package dnstest is a DNS server for tests. It speaks UDP and TCP on a free port of loopback and
// serves TXT and address records from memory. Nothing but tests may import it.
package dnstest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// maxUDP is the largest answer that goes out over UDP. A larger one is cut, and the client asks
// again over TCP.
const maxUDP = 1232

// Server is a DNS server. It ends with the test that started it. Names are without the last dot,
// and case does not matter.
type Server struct {
	addr string

	mu      sync.Mutex
	texts   map[string][]string
	hosts   map[string][]netip.Addr
	queries []string
}

// Start starts a server.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{texts: make(map[string][]string), hosts: make(map[string][]netip.Addr)}
	udp, tcp, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	s.addr = udp.LocalAddr().String()
	var done sync.WaitGroup
	done.Go(func() { s.serveUDP(udp) })
	done.Go(func() { s.serveTCP(tcp) })
	t.Cleanup(func() {
		udp.Close()
		tcp.Close()
		done.Wait()
	})
	return s
}

// listen opens a port that is free for both protocols.
func listen() (udp net.PacketConn, tcp net.Listener, err error) {
	for range 20 {
		if udp, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			return nil, nil, err
		}
		if tcp, err = net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			return udp, tcp, nil
		}
		udp.Close()
	}
	return nil, nil, err
}

// Addr is IP and port.
func (s *Server) Addr() string { return s.addr }

// Resolver asks this server, and no other one.
func (s *Server) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, s.addr)
	}}
}

// Text sets the TXT records of a name; none: the name does not exist any more.
func (s *Server) Text(name string, texts ...string) {
	s.mu.Lock()
	s.texts[strings.ToLower(name)] = texts
	s.mu.Unlock()
}

// Tree sets the TXT records of a tree, as dnsdisc.Make gives them, below a domain.
func (s *Server) Tree(domain string, texts map[string]string) {
	for label, text := range texts {
		s.Text(strings.TrimPrefix(label+"."+domain, "."), text)
	}
}

// Host sets the addresses of a name.
func (s *Server) Host(name string, addrs ...netip.Addr) {
	s.mu.Lock()
	s.hosts[strings.ToLower(name)] = addrs
	s.mu.Unlock()
}

// Queries are the names that have been asked for, in order.
func (s *Server) Queries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queries)
}

func (s *Server) serveUDP(c net.PacketConn) {
	buf := make([]byte, 65536)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		if b, err := s.answer(buf[:n], maxUDP); err == nil {
			c.WriteTo(b, from)
		}
	}
}

func (s *Server) serveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.serveConn(c)
		c.Close()
	}
}

// serveConn answers the one query that resolvers send over a connection.
func (s *Server) serveConn(c net.Conn) {
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, query); err != nil {
		return
	}
	if b, err := s.answer(query, 65535); err == nil {
		c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	}
}

// answer makes the answer to a query. If it is larger than most, it has no records and the bit that
// tells so.
func (s *Server) answer(query []byte, most int) ([]byte, error) {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	s.mu.Lock()
	s.queries = append(s.queries, name)
	texts, hosts := s.texts[name], s.hosts[name]
	s.mu.Unlock()

	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: head.ID, Response: true, Authoritative: true, RecursionDesired: head.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	if len(texts)+len(hosts) == 0 {
		m.RCode = dnsmessage.RCodeNameError
	}
	rh := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}
	for _, text := range texts {
		if q.Type == dnsmessage.TypeTXT {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: rh, Body: &dnsmessage.TXTResource{TXT: split(text)}})
		}
	}
	for _, a := range hosts {
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: rh, Body: &dnsmessage.AResource{A: a.As4()}})
		case q.Type == dnsmessage.TypeAAAA && a.Is6():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: rh, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	b, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("answer for %s: %w", name, err)
	}
	if len(b) > most {
		m.Answers, m.Truncated = nil, true
		return m.Pack()
	}
	return b, nil
}

// split parts a text into the strings of a TXT record, of 255 bytes at most.
func split(text string) (list []string) {
	for len(text) > 255 {
		list, text = append(list, text[:255]), text[255:]
	}
	return append(list, text)
}
