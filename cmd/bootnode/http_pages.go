package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/internal/statuspage"
)

// pages serves the pages of the HTTP server. docs/OPERATING.md documents the responses.
type pages struct {
	node    *discv5.Node
	network *network // nil: no chain
	access  *accessList
	count   *counts
	page    *statuspage.Page // nil without --http
	fleet   *fleetMember     // nil without --fleet
	pprof   bool
}

// health serves /healthz: 200 while the node receives on all its sockets and may answer, otherwise
// 503 with the reason.
//
// A fleet that does not work is no reason, unless the node is silent because of it: a second line
// says that it is degraded.
func (p pages) health(rw http.ResponseWriter, _ *http.Request) { p.writeHealth(rw, p.reason()) }

func (p pages) writeHealth(rw http.ResponseWriter, reason string) {
	writeHealth(rw, reason)
	if problem := p.fleet.problem(); reason == "" && problem != "" {
		fmt.Fprintln(rw, "degraded: fleet: "+problem)
	}
}

// reason returns why the node is not healthy, or "".
func (p pages) reason() string {
	select {
	case <-p.node.Done():
		return "closing"
	default:
		if err := p.node.Err(); err != nil {
			return cli.OneLine(err, "discv5", "fastpath")
		}
	}
	return p.fleet.silence()
}

// writeHealth writes the response of /healthz.
func writeHealth(rw http.ResponseWriter, reason string) {
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-store")
	if reason != "" {
		rw.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(rw, reason)
		return
	}
	fmt.Fprintln(rw, "ok")
}

// nodeView is an entry of /nodes.
type nodeView struct {
	ID       string    `json:"id"`
	Distance int       `json:"distance"`
	Record   string    `json:"record"`
	Seq      uint64    `json:"seq"`
	Address  string    `json:"address"`        // where this node contacts it
	UDP4     string    `json:"udp4,omitempty"` // of the record
	UDP6     string    `json:"udp6,omitempty"`
	State    string    `json:"state"`          // live, unchecked, silent or replacement
	Fork     string    `json:"fork,omitempty"` // if the node serves a chain
	Inbound  bool      `json:"inbound"`
	Checks   int       `json:"checks"`
	Fails    int       `json:"fails"`
	Added    time.Time `json:"added"`
	LastSeen time.Time `json:"last_seen"`
}

// nodesView is /nodes.
type nodesView struct {
	Total int        `json:"total"` // nodes that match the query, including those beyond its limit
	Nodes []nodeView `json:"nodes"`
}

// stateOf returns the state of a node by the name that /nodes and /metrics use.
func stateOf(s discv5.KnownNode) string {
	switch {
	case !s.Member:
		return "replacement"
	case s.Live:
		return "live"
	case s.Checks > 0:
		return "silent"
	}
	return "unchecked"
}

// nodes serves /nodes: the table, farthest bucket first.
func (p pages) nodes(rw http.ResponseWriter, r *http.Request) {
	q, err := readQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	view := nodesView{Nodes: []nodeView{}}
	for n := range p.node.AllNodes() {
		state := stateOf(n)
		if q.distance > 0 && n.Distance != q.distance || q.state != "" && state != q.state {
			continue
		}
		if view.Total++; q.limit > 0 && view.Total > q.limit {
			continue
		}
		udp4, _ := n.Record.UDPEndpoint4()
		udp6, _ := n.Record.UDPEndpoint6()
		fork := ""
		if p.network != nil {
			fork = p.network.forkName(n.Record.View(), time.Now())
		}
		view.Nodes = append(view.Nodes, nodeView{
			ID: n.Record.ID().String(), Distance: n.Distance, Record: n.Record.String(), Seq: n.Record.Seq(), Address: n.Addr.String(),
			UDP4: endpointText(udp4), UDP6: endpointText(udp6), State: state, Fork: fork, Inbound: n.Inbound, Checks: n.Checks, Fails: n.Fails,
			Added: n.Added.UTC(), LastSeen: n.LastSeen.UTC(),
		})
	}
	writeJSON(rw, view)
}

// bucketView is an entry of /buckets.
type bucketView struct {
	Distance     int        `json:"distance"`
	Nodes        int        `json:"nodes"`
	Live         int        `json:"live"`
	Replacements int        `json:"replacements"`
	Inbound      int        `json:"inbound"`       // of nodes
	InboundShare float64    `json:"inbound_share"` // of nodes, 0 to 1
	Refreshed    *time.Time `json:"refreshed"`     // null: not yet
}

// bucketsView is /buckets.
type bucketsView struct {
	Nodes        int          `json:"nodes"`
	Live         int          `json:"live"`
	Replacements int          `json:"replacements"`
	Inbound      int          `json:"inbound"`
	Buckets      []bucketView `json:"buckets"`
}

// buckets serves /buckets: the buckets that are not empty, farthest first.
func (p pages) buckets(rw http.ResponseWriter, _ *http.Request) {
	at := make(map[int]*bucketView)
	for n := range p.node.AllNodes() {
		d := n.Distance
		b := at[d]
		if b == nil {
			b = &bucketView{Distance: d}
			if t := p.node.Bucket(d).Refreshed; !t.IsZero() {
				t = t.UTC()
				b.Refreshed = &t
			}
			at[d] = b
		}
		switch {
		case !n.Member:
			b.Replacements++
			continue
		case n.Live:
			b.Live++
		}
		b.Nodes++
		if n.Inbound {
			b.Inbound++
		}
	}
	view := bucketsView{Buckets: []bucketView{}}
	for _, d := range slices.Backward(slices.Sorted(maps.Keys(at))) {
		b := at[d]
		if b.Nodes > 0 {
			b.InboundShare = float64(b.Inbound) / float64(b.Nodes)
		}
		view.Nodes += b.Nodes
		view.Live += b.Live
		view.Replacements += b.Replacements
		view.Inbound += b.Inbound
		view.Buckets = append(view.Buckets, *b)
	}
	writeJSON(rw, view)
}

// query holds the parameters of /nodes.
type query struct {
	distance int    // 0: all
	state    string // "": all
	limit    int    // 0: all
}

func readQuery(raw string) (q query, err error) {
	err = eachParameter(raw, func(name, value string) (err error) {
		switch name {
		case "distance":
			q.distance, err = readNumber(name, value, 256)
		case "limit":
			q.limit, err = readNumber(name, value, 1<<20)
		case "state":
			if q.state = value; !slices.Contains([]string{"live", "unchecked", "silent", "replacement"}, value) {
				err = fmt.Errorf("state=%s: want live, unchecked, silent or replacement", quote.Short(value))
			}
		default:
			err = fmt.Errorf("unknown parameter %s; want distance, limit or state", quote.Short(name))
		}
		return err
	})
	return q, err
}

// eachParameter calls read for each parameter of a query, in the order of their names, until it
// returns an error. A parameter must not appear twice.
func eachParameter(raw string, read func(name, value string) error) error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return errors.New("cannot parse the query")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values[name]
		if len(v) != 1 {
			return fmt.Errorf("%s appears %d times", quote.Short(name), len(v))
		}
		if err := read(name, v[0]); err != nil {
			return err
		}
	}
	return nil
}

func readNumber(name, s string, most int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s=%s: want a number from 1 to %d", name, quote.Short(s), most)
	}
	return n, nil
}

func endpointText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func writeJSON(rw http.ResponseWriter, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Cache-Control", "no-store")
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	_ = json.NewEncoder(rw).Encode(v) // an error means that the client has gone
}

// identityView is /eth/v1/node/identity of the Ethereum beacon node API. A bootnode does not speak
// libp2p: it has no p2p_addresses, and its metadata is that of a node without subscriptions. The
// peer ID is that of its key.
type identityView struct {
	Data struct {
		PeerID    string       `json:"peer_id"`
		ENR       string       `json:"enr"`
		P2P       []string     `json:"p2p_addresses"`
		Discovery []string     `json:"discovery_addresses"`
		Metadata  metadataView `json:"metadata"`
	} `json:"data"`
}

type metadataView struct {
	SeqNumber string `json:"seq_number"`
	Attnets   string `json:"attnets"`
	Syncnets  string `json:"syncnets"`
}

func (p pages) identity(rw http.ResponseWriter, _ *http.Request) {
	writeJSON(rw, identityOf(p.node.LocalRecord()))
}

func identityOf(r *enr.Record) (v identityView) {
	d := &v.Data
	pub, _ := r.PublicKey() // every record of scheme v4 has one
	d.PeerID, d.ENR = peerID(pub), r.String()
	d.P2P, d.Discovery = []string{}, []string{}
	for _, end := range []func() (netip.AddrPort, bool){r.UDPEndpoint4, r.UDPEndpoint6} {
		if a, ok := end(); ok {
			d.Discovery = append(d.Discovery, multiaddr(a, d.PeerID))
		}
	}
	d.Metadata = metadataView{"0", "0x" + hex.EncodeToString(make([]byte, 8)), "0x00"}
	return v
}

// multiaddr returns the libp2p form of a UDP endpoint.
func multiaddr(a netip.AddrPort, peer string) string {
	family := "ip4"
	if a.Addr().Is6() {
		family = "ip6"
	}
	return fmt.Sprintf("/%s/%s/udp/%d/p2p/%s", family, a.Addr(), a.Port(), peer)
}

// peerID returns the libp2p peer ID of a public key: base58 of an identity multihash of its
// protobuf form.
//
//	00 25                   identity, 37 bytes
//	      08 02             key type Secp256k1
//	            12 21 ...   key, 33 bytes
func peerID(pub [33]byte) string {
	b := append([]byte{0x00, 0x25, 0x08, 0x02, 0x12, 0x21}, pub[:]...)
	const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	var text []byte
	base, digit := big.NewInt(int64(len(digits))), new(big.Int)
	for n := new(big.Int).SetBytes(b); n.Sign() > 0; {
		n.DivMod(n, base, digit)
		text = append(text, digits[digit.Int64()])
	}
	for _, zero := range b { // base58 encodes each leading zero byte as a digit
		if zero != 0 {
			break
		}
		text = append(text, digits[0])
	}
	slices.Reverse(text)
	return string(text)
}
