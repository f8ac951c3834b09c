package session

import (
	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

// Header holds what differs between the headers of two packets (discv5-wire.md, Protocol Header),
// and builds whole packets: it lays out the header, seals the message and masks the header. The
// engine, the load generator, the benchmarks and the tests all build their packets with it.
//
// A sender that keeps a Header sets Protocol and Source once, and IV and Nonce before each packet.
// IV and Nonce must be unpredictable; Keys.NextNonce makes the nonce of a message that is sealed.
// Use no nonce twice with the same keys.
//
// The methods append to dst and return the extended slice. They allocate nothing if dst has the
// capacity. Nothing limits the size of the packet: callers must keep it within
// codec.MaxPacketSize. A Header may be used by one goroutine at a time.
type Header struct {
	Protocol codec.Protocol
	Source   [32]byte // node ID of the sender
	IV       [codec.IVSize]byte
	Nonce    codec.Nonce
}

// AppendMessage appends an ordinary message packet to the node with ID to, with the given plaintext
// sealed by keys: codec.MessageHeaderSize + len(plaintext) + codec.TagSize bytes.
//
// plaintext may stand where its ciphertext goes, at dst[len(dst)+codec.MessageHeaderSize:]; else it
// must not overlap the packet.
func (h *Header) AppendMessage(dst []byte, to *[32]byte, keys *Keys, plaintext []byte) []byte {
	start := len(dst)
	dst = codec.AppendMessageHeader(dst, h.Protocol, &h.IV, &h.Nonce, &h.Source)
	ad := dst[start:]
	dst = keys.Seal(dst, &h.Nonce, plaintext, ad)
	codec.MaskHeader(dst[start:], len(ad), to)
	return dst
}

// AppendUnopenable appends an ordinary message packet to the node with ID to, with the given bytes
// in place of a ciphertext and its tag. The recipient cannot open it, so it challenges the sender.
// Random bytes make it look like any other message packet.
//
// ciphertext may stand where it goes, at dst[len(dst)+codec.MessageHeaderSize:]; else it must not
// overlap the packet.
func (h *Header) AppendUnopenable(dst []byte, to *[32]byte, ciphertext []byte) []byte {
	start := len(dst)
	dst = codec.AppendMessageHeader(dst, h.Protocol, &h.IV, &h.Nonce, &h.Source)
	dst = append(dst, ciphertext...)
	codec.MaskHeader(dst[start:], codec.MessageHeaderSize, to)
	return dst
}

// HandshakeSize returns the size in bytes of the packet that AppendHandshake appends for a record
// and a plaintext of the given sizes.
func HandshakeSize(record, plaintext int) int {
	return codec.HandshakeHeaderSize + record + plaintext + codec.TagSize
}

// AppendHandshake appends the handshake packet to the node with ID to that in answers a challenge
// with: HandshakeSize(len(record), len(plaintext)) bytes. in.Keys seal the plaintext. record is the
// sender's, or empty if the recipient has it.
//
// plaintext may stand where its ciphertext goes, at
// dst[len(dst)+codec.HandshakeHeaderSize+len(record):]; else it must not overlap the packet, nor
// may record.
func (h *Header) AppendHandshake(dst []byte, to *[32]byte, in *Initiation, record, plaintext []byte) []byte {
	start := len(dst)
	dst = codec.AppendHandshakeHeader(dst, h.Protocol, &h.IV, &h.Nonce, &h.Source, &in.Signature, &in.Ephemeral, record)
	ad := dst[start:]
	// The message is sealed in place: the cipher takes no other overlap, and needs no memory.
	dst = append(dst, plaintext...)
	end := start + len(ad)
	dst = in.Keys.Seal(dst[:end], &h.Nonce, dst[end:], ad)
	codec.MaskHeader(dst[start:], len(ad), to)
	return dst
}

// Randomize fills IV and Nonce with random bytes, as a packet needs that no keys seal.
func (h *Header) Randomize(r *aead.Random) {
	r.Block(&h.IV)
	r.Read(h.Nonce[:])
}

// AppendPacket appends the WHOAREYOU packet of the challenge to the node with ID to:
// codec.WhoareyouSize bytes, always the same ones.
func (c *Challenge) AppendPacket(dst []byte, p codec.Protocol, to *[32]byte) []byte {
	start := len(dst)
	dst = c.Append(dst, p)
	codec.MaskHeader(dst[start:], codec.WhoareyouSize, to)
	return dst
}
