package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/enr"
)

func newEnrInspect(t *tool) *cobra.Command {
	return &cobra.Command{
		Use: "inspect [RECORD...]", Short: "Show all fields of records and check their signatures",
		Long: `Show all fields of records and check their signatures.

A RECORD is text (with or without enr:), hexadecimal digits or base64, @FILE that holds
records or is a nodes.json of crawl, or - for standard input, which is the default. A file
may also hold the bytes of one record. Exit code 1: a signature is not valid.`,
		Args: arguments(0, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"-"}
			}
			var bad error
			shown := 0
			for i, a := range args {
				err := t.nodes(a, "record", func(l listed, _ bool) error {
					v, err := parseView(l.text)
					if err != nil {
						return l.in(err)
					}
					r := full(v)
					if !*r.Valid && bad == nil {
						bad = place(argument(i), l.in(errors.New(r.Signature)))
					}
					text := r.text()
					if shown++; shown > 1 {
						text = "\n" + text
					}
					t.print(r, text)
					return t.failed()
				})
				if err != nil {
					return place(argument(i), err)
				}
			}
			return bad
		},
	}
}

// recordInfo describes a record.
type recordInfo struct {
	NodeID    string     `json:"nodeId,omitempty"`
	Distance  *int       `json:"distance,omitempty"` // from the node or ID of the request
	Seq       uint64     `json:"seq"`
	Scheme    string     `json:"scheme,omitempty"`
	Valid     *bool      `json:"valid,omitempty"`
	Signature string     `json:"signature,omitempty"` // "valid" or what is wrong
	PublicKey string     `json:"publicKey,omitempty"`
	Size      int        `json:"size,omitempty"`
	IP        string     `json:"ip,omitempty"`
	IP6       string     `json:"ip6,omitempty"`
	UDP       uint16     `json:"udp,omitempty"`
	UDP6      uint16     `json:"udp6,omitempty"`
	TCP       uint16     `json:"tcp,omitempty"`
	TCP6      uint16     `json:"tcp6,omitempty"`
	QUIC      uint16     `json:"quic,omitempty"`
	QUIC6     uint16     `json:"quic6,omitempty"`
	Registrar bool       `json:"registrar,omitempty"` // of topics
	Pairs     []pairInfo `json:"pairs,omitempty"`
	Bad       []badInfo  `json:"badEntries,omitempty"`
	Record    string     `json:"record"`
}

// pairInfo describes a pair of a record.
type pairInfo struct {
	Key   string `json:"key"`
	Value string `json:"value"` // for people
	RLP   string `json:"rlp"`
}

// badInfo describes an entry whose value does not fit its key. Other nodes ignore such an entry.
type badInfo struct {
	Key   string `json:"key"`
	Error string `json:"error"`
}

// brief returns the identity, the addresses and the text of a record.
func brief(v enr.View) recordInfo {
	i := recordInfo{Seq: v.Seq(), Record: v.String(), Registrar: v.SupportsTopics()}
	if id, err := v.NodeID(); err == nil {
		i.NodeID = id.String()
	}
	addr := func(a netip.Addr, ok bool) string {
		if !ok {
			return ""
		}
		return a.String()
	}
	port := func(p uint16, _ bool) uint16 { return p }
	i.IP, i.IP6 = addr(v.IP4()), addr(v.IP6())
	i.UDP, i.TCP, i.QUIC, i.QUIC6 = port(v.UDP()), port(v.TCP()), port(v.QUIC()), port(v.QUIC6())
	// Without an IPv6 address, the ports that IPv6 falls back to mean nothing.
	if i.IP6 != "" {
		i.UDP6, i.TCP6 = port(v.UDP6()), port(v.TCP6())
	}
	return i
}

// full returns everything about a record. It checks the signature.
func full(v enr.View) recordInfo {
	i := brief(v)
	i.Scheme, i.Size = string(v.IdentityScheme()), len(v.Bytes())
	i.Signature = "valid"
	err := v.Verify()
	if err != nil {
		i.Signature = strings.TrimPrefix(err.Error(), "enr: ")
	}
	valid := err == nil
	i.Valid = &valid
	if pub, ok := v.PublicKey(); ok {
		i.PublicKey = hex.EncodeToString(pub[:])
	}
	for k, rlp := range v.Pairs() {
		i.Pairs = append(i.Pairs, pairInfo{printable(k), showValue(string(k), rlp), hex.EncodeToString(rlp)})
	}
	for e := range v.BadEntries() {
		i.Bad = append(i.Bad, badInfo{printable([]byte(e.Key)), strings.TrimPrefix(e.Error(), "enr: ")})
	}
	return i
}

// text returns the form for people.
func (i recordInfo) text() string {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "%-11s %s\n", name, value) }
	line("node ID", i.NodeID)
	line("seq", fmt.Sprint(i.Seq))
	line("signature", fmt.Sprintf("%s (scheme %s)", i.Signature, i.Scheme))
	line("size", fmt.Sprintf("%d bytes", i.Size))
	for _, e := range []struct {
		name, ip string
		port     uint16
	}{{"UDP", i.IP, i.UDP}, {"UDP6", i.IP6, i.UDP6}, {"TCP", i.IP, i.TCP}, {"TCP6", i.IP6, i.TCP6}, {"QUIC", i.IP, i.QUIC}, {"QUIC6", i.IP6, i.QUIC6}} {
		if a, err := netip.ParseAddr(e.ip); err == nil && e.port != 0 {
			line(e.name, netip.AddrPortFrom(a, e.port).String())
		}
	}
	if i.Registrar {
		line("registrar", "of topics")
	}
	b.WriteString("pairs\n")
	for _, p := range i.Pairs {
		fmt.Fprintf(&b, "  %-11s %s\n  %-11s rlp %s\n", p.Key, p.Value, "", p.RLP)
	}
	for _, e := range i.Bad {
		line("ignored", e.Error)
	}
	b.WriteString(i.Record)
	return b.String()
}

// showValue returns the value of a pair for people. rlp is one canonical value.
func showValue(key string, rlp []byte) string {
	content, rest, list := splitRLP(rlp)
	if list || len(rest) > 0 {
		return showRLP(rlp)
	}
	switch key {
	case "ip", "ip6":
		if a, ok := netip.AddrFromSlice(content); ok {
			return a.String()
		}
	case "udp", "udp6", "tcp", "tcp6", "quic", "quic6", "cgc", "ng", "topic-discovery":
		if len(content) <= 8 {
			var n [8]byte
			copy(n[8-len(content):], content)
			return strconv.FormatUint(binary.BigEndian.Uint64(n[:]), 10)
		}
	case "eth2": // ENRForkID of the consensus specification, in SSZ encoding
		if len(content) == 16 {
			return fmt.Sprintf("fork digest %x, next fork version %x, next fork epoch %d",
				content[:4], content[4:8], binary.LittleEndian.Uint64(content[8:]))
		}
	case "attnets", "syncnets", "nfd", "secp256k1":
		return hex0x(content)
	}
	return showRLP(rlp)
}

// showRLP returns strings as printable does, and lists in brackets.
func showRLP(rlp []byte) string {
	content, _, list := splitRLP(rlp)
	if !list {
		return printable(content)
	}
	var items []string
	for len(content) > 0 {
		_, rest, _ := splitRLP(content)
		items = append(items, showRLP(content[:len(content)-len(rest)]))
		content = rest
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// printable returns text unchanged, or in quotes if it looks like something else, and other bytes
// as hexadecimal digits.
func printable(b []byte) string {
	if len(b) == 0 {
		return `""`
	}
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return hex0x(b)
		}
	}
	if s := string(b); strings.ContainsAny(s, ` ,[]"`) || strings.HasPrefix(s, "0x") {
		return strconv.Quote(s)
	}
	return string(b)
}

// splitRLP splits b into the content of its first value and the rest. b must be canonical;
// otherwise splitRLP may return all of it as content.
func splitRLP(b []byte) (content, rest []byte, list bool) {
	if len(b) == 0 || b[0] < 0x80 {
		n := min(len(b), 1)
		return b[:n], b[n:], false
	}
	base := byte(0x80)
	if list = b[0] >= 0xc0; list {
		base = 0xc0
	}
	size, head := int(b[0]-base), 1
	if size > 55 {
		head += size - 55
		size = 0
		for _, c := range b[1:min(head, len(b))] {
			size = size<<8 | int(c)
		}
	}
	if head > 3 || head+size > len(b) { // longer than any value of a record
		return b, nil, false
	}
	return b[head : head+size], b[head+size:], list
}
