package topic

import (
	"encoding/binary"
	"io"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// Sizes of a ticket in bytes.
//
//	| key number 1 | nonce 12 | tinit 8 | tmod 8 | twait 4 | tag 16 |
//	               |          |<---- encrypted: 20 ---->|
//
// tinit and tmod are nanoseconds of the registrar's clock, twait is in milliseconds. The ad that
// the ticket is for, its advertiser and the address are authenticated with it and not in it.
const (
	TicketSize = 1 + aead.NonceSize + ticketText + aead.TagSize

	// MaxTicketSize is the largest ticket that an advertiser should take from a registrar and give
	// back. The reference fork refuses more than 90 bytes.
	MaxTicketSize = codec.MaxTicketSize

	ticketText = 8 + 8 + 4
	adSize     = enr.IDSize + Size + 16 + enr.MaxSize
)

// keyLife is how long tickets are issued under one key. The previous key is kept, which is more
// than the life of a ticket: a wait of E and the window.
const keyLife = 30 * time.Minute

// early is how long before the end of the quoted wait a ticket counts: clocks drift, and admission
// is decided by the time waited, so it grants nothing.
const early = 250 * time.Millisecond

// ticket is what a ticket says.
type ticket struct {
	first  time.Duration // tinit: the first request of the chain
	issued time.Duration // tmod
	wait   time.Duration // twait, whole milliseconds
}

// scratch holds what the cipher reads and writes. It is part of a Request, because it must not be
// on the stack: it would escape.
type scratch struct {
	nonce [aead.NonceSize]byte
	ad    [adSize]byte
	text  [ticketText + aead.TagSize]byte
	out   [TicketSize]byte
}

// ad writes the authenticated data of a request's tickets: they open for the same advertiser,
// topic, address and record only.
func (s *scratch) bind(id *enr.ID, topic *Topic, source netip.Addr, record []byte) []byte {
	b := append(s.ad[:0], id[:]...)
	b = append(b, topic[:]...)
	a := source.As16()
	b = append(b, a[:]...)
	return append(b, record...)
}

// keyring holds the keys of a registrar's tickets. They come from its source of randomness and die
// with it on purpose: a ticket that outlives the process proves nothing to the next one.
type keyring struct {
	keys   atomic.Pointer[ticketKeys]
	src    io.Reader
	next   time.Duration // when the next key is due
	failed uint64        // times that src failed to give one
}

type ticketKeys struct {
	current, previous aead.Cipher
	number            byte
	salt              [4]byte
	count             atomic.Uint64 // of the nonces
}

// rotate makes a new key if it is time for one. When the source fails, the old key
// stays in use.
func (k *keyring) rotate(now time.Duration) error {
	old := k.keys.Load()
	if old != nil && now < k.next {
		return nil
	}
	k.next = now + keyLife
	var seed [aead.KeySize + 4]byte
	if _, err := io.ReadFull(k.src, seed[:]); err != nil {
		k.failed++
		return err
	}
	keys := &ticketKeys{current: aead.NewCipher((*[aead.KeySize]byte)(seed[:])), salt: [4]byte(seed[aead.KeySize:])}
	if old != nil {
		keys.previous, keys.number = old.current, old.number+1
	}
	k.keys.Store(keys)
	return nil
}

// seal writes a ticket to s. ad is what bind has written.
func (k *ticketKeys) seal(s *scratch, t ticket, ad []byte) []byte {
	copy(s.nonce[:], k.salt[:])
	binary.BigEndian.PutUint64(s.nonce[4:], k.count.Add(1))
	return k.sealAs(s, t, ad)
}

// sealAs is seal with the nonce that is in s.
func (k *ticketKeys) sealAs(s *scratch, t ticket, ad []byte) []byte {
	binary.BigEndian.PutUint64(s.text[:], uint64(t.first))
	binary.BigEndian.PutUint64(s.text[8:], uint64(t.issued))
	binary.BigEndian.PutUint32(s.text[16:], uint32(t.wait/time.Millisecond))
	k.current.Seal(s.text[:0], &s.nonce, s.text[:ticketText], ad)
	out := append(s.out[:0], k.number)
	out = append(out, s.nonce[:]...)
	return append(out, s.text[:]...)
}

// open reads a ticket. ok is false if this registrar did not issue it for this ad, or so long ago
// that its key is gone.
func (k *ticketKeys) open(s *scratch, b, ad []byte) (t ticket, ok bool) {
	if len(b) != TicketSize {
		return t, false
	}
	c := k.current
	if b[0] != k.number {
		if c = k.previous; b[0] != k.number-1 || c.IsZero() {
			return t, false
		}
	}
	copy(s.nonce[:], b[1:])
	copy(s.text[:], b[1+aead.NonceSize:])
	text, err := c.Open(s.text[:0], &s.nonce, s.text[:], ad)
	if err != nil {
		return t, false
	}
	t.first = time.Duration(binary.BigEndian.Uint64(text))
	t.issued = time.Duration(binary.BigEndian.Uint64(text[8:]))
	t.wait = time.Duration(binary.BigEndian.Uint32(text[16:])) * time.Millisecond
	return t, true
}
