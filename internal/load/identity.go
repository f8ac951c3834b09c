package load

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/session"
)

// none is the index that stands for no exchange.
const none = -1

// identity is a node that the generator acts as. A worker owns it.
type identity struct {
	id      [32]byte
	key     *enr.PrivateKey
	record  []byte
	decoder *codec.Decoder

	// The session as its initiator has it: nil before the first handshake. generation counts how
	// often it was renewed.
	session    *session.Keys
	generation uint32

	// shaking is set from a handshake within a run until its PONG, at most until the deadline.
	// Requests are held back meanwhile.
	shaking  bool
	deadline time.Duration
	bad      bool   // makes handshakes that have to be refused
	ping     uint64 // request ID of the handshake's PING

	live chain // exchanges under way

	// For requests about topics: number of its topic, and what its registration has come to.
	topic     int
	home      int32         // socket
	due       time.Duration // when it may ask next
	ticket    []byte
	endpoint  netip.AddrPort // that its record names; invalid for none
	recordSeq uint64
}

// newIdentity makes a node. Its record names no endpoint, so that no target takes it into its table
// and asks it in turn.
func newIdentity() (*identity, error) {
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key of an identity: %w", err)
	}
	rec, err := enr.NewBuilder().Sign(key)
	if err != nil {
		return nil, fmt.Errorf("record of an identity: %w", err)
	}
	return &identity{id: [32]byte(key.ID()), key: key, record: rec.Bytes(), live: newChain()}, nil
}

// decode decodes a packet to who. The decoder is made when the first one comes.
func (who *identity) decode(b []byte, p *codec.Packet, protocol codec.Protocol) error {
	if who.decoder == nil {
		who.decoder = codec.NewDecoder(&who.id, protocol)
	}
	return who.decoder.Decode(b, p)
}

// SeededSession returns session i of those that a generator and a target agree on without a
// handshake: both make it from the same seed. id is the generator's node ID, write the key that the
// generator seals with, and read the one that it opens with.
func SeededSession(seed uint64, i int) (id [32]byte, write, read [aead.KeySize]byte) {
	var in [16]byte
	binary.BigEndian.PutUint64(in[:], seed)
	binary.BigEndian.PutUint64(in[8:], uint64(i))
	sum := sha512.Sum512(in[:])
	copy(id[:], sum[:])
	copy(write[:], sum[32:])
	copy(read[:], sum[48:])
	return id, write, read
}

// newSeeded makes the identity of SeededSession.
func newSeeded(seed uint64, i int) *identity {
	id, write, read := SeededSession(seed, i)
	return &identity{id: id, session: session.NewKeys(&read, &write), generation: 1, live: newChain()}
}

// newEcho makes an identity with a made-up session.
func newEcho(r *aead.Random) *identity {
	who := &identity{live: newChain()}
	r.Read(who.id[:])
	var key [aead.KeySize]byte
	r.Read(key[:])
	who.session = session.NewKeys(&key, &key)
	return who
}

// maker makes identities ahead of time, a tenth of a millisecond each, on processors that no worker
// needs.
type maker struct {
	ready chan *identity
	done  chan struct{}
	wg    sync.WaitGroup
}

// newMaker starts to make identities, at most as many ahead as are given.
func newMaker(workers, ahead int) *maker {
	m := &maker{ready: make(chan *identity, ahead), done: make(chan struct{})}
	for range max(0, runtime.GOMAXPROCS(0)-workers) {
		m.wg.Add(1)
		go m.run()
	}
	return m
}

func (m *maker) run() {
	defer m.wg.Done()
	for {
		who, err := newIdentity()
		if err != nil {
			return // who takes one meets the error
		}
		select {
		case m.ready <- who:
		case <-m.done:
			return
		}
	}
}

// take returns an identity: one that is ready, or else a new one.
func (m *maker) take() (*identity, error) {
	select {
	case who := <-m.ready:
		return who, nil
	default:
		return newIdentity()
	}
}

func (m *maker) stop() {
	close(m.done)
	m.wg.Wait()
}
