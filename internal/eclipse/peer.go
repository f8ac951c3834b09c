package eclipse

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"

	"github.com/fastdisc/discv5/enr"
)

// peer is an identity at an endpoint.
type peer struct {
	id      enr.ID
	addr    netip.AddrPort
	hostile bool
	node    *node // of an honest one that has joined
	record  *enr.Record
}

// signer signs the records of all peers: nothing in a table depends on whose key it is.
var signer = sync.OnceValues(func() (*enr.PrivateKey, error) { return enr.ParsePrivateKey([]byte{31: 1}) })

// stated returns the peer's record, which states its address. It is made when it is first needed:
// an attacker has more identities than tables take.
func (p *peer) stated() *enr.Record {
	if p.record == nil {
		key, err := signer()
		if err != nil {
			panic(err) // the key is a constant
		}
		if p.record, err = enr.NewBuilder().SetIP(p.addr.Addr()).SetUDP(p.addr.Port()).Sign(key); err != nil {
			panic(err) // address and port are valid
		}
	}
	return p.record
}

// population makes peers.
type population struct {
	rnd      *rand.Rand
	byID     map[enr.ID]*peer
	honest   int
	hostiles int
	prefixes int // /24s of the attacker
}

const (
	providers      = 20
	providerShare  = 5 // two of this many honest nodes are at a provider
	hostilePort    = 9000
	distantBuckets = 16 // log distances at which the attacker makes IDs, from 256 down
)

func (p *population) randomID() (id enr.ID) {
	for i := 0; i < len(id); i += 8 {
		binary.LittleEndian.PutUint64(id[i:], p.rnd.Uint64())
	}
	return id
}

func (p *population) add(q *peer) *peer {
	p.byID[q.id] = q
	return q
}

// newHonest makes an honest node in a /24 of its own: at a provider, or elsewhere.
func (p *population) newHonest() *peer {
	i := p.honest
	p.honest++
	a := [4]byte{100 + byte(i>>8), byte(i), byte(i * 7), 1}
	if i%providerShare < 2 {
		k := i / providerShare * 2
		a = [4]byte{90, byte(i % providers), byte(k / 8), byte(1 + i%8)}
	}
	return p.add(&peer{id: p.randomID(), addr: netip.AddrPortFrom(netip.AddrFrom4(a), 9000)})
}

// newHostile makes a hostile node with an ID. They are spread over the prefixes in turn.
func (p *population) newHostile(id enr.ID) *peer {
	i := p.hostiles
	p.hostiles++
	prefix, host := i%p.prefixes, i/p.prefixes
	a := [4]byte{40 + byte(prefix>>8), byte(prefix), 1, byte(1 + host%250)}
	port := hostilePort + host/250%50000
	return p.add(&peer{id: id, addr: netip.AddrPortFrom(netip.AddrFrom4(a), uint16(port)), hostile: true})
}

// at returns a random ID at a log distance, 1 to 256, from id.
func (p *population) at(id enr.ID, distance int) enr.ID {
	r := p.randomID()
	byt, mask := (256-distance)/8, byte(1)<<((distance-1)%8)
	copy(r[:byt], id[:byt])
	above := ^(mask<<1 - 1)
	r[byt] = id[byt]&above | ^id[byt]&mask | r[byt]&(mask-1)
	return r
}
