package main

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/fastdisc/discv5/enr"
)

// recordInfo is what is shown of a record.
type recordInfo struct {
	NodeID    string     `json:"nodeId,omitempty"`
	Distance  *int       `json:"distance,omitempty"` // from whom it was asked of
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
	Pairs     []pairInfo `json:"pairs,omitempty"`
	Bad       []badInfo  `json:"badEntries,omitempty"`
	Record    string     `json:"record"`
}

// pairInfo is a pair as it stands in a record.
type pairInfo struct {
	Key   string `json:"key"`
	Value string `json:"value"` // as people read it
	RLP   string `json:"rlp"`
}

// badInfo is an entry whose value does not fit its key. Others ignore it.
type badInfo struct {
	Key   string `json:"key"`
	Error string `json:"error"`
}

// brief is what answers show: identity, addresses, text.
func brief(v enr.View) recordInfo {
	i := recordInfo{Seq: v.Seq(), Record: v.String()}
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
	// Without an IPv6 address the ports that it would fall back to mean nothing.
	if i.IP6 != "" {
		i.UDP6, i.TCP6 = port(v.UDP6()), port(v.TCP6())
	}
	return i
}

// full is everything. It checks the signature.
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

// text is the form for people.
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
