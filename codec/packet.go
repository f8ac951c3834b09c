package codec

import (
	"encoding/binary"
	"errors"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/enr"
)

// Sizes in bytes. The package comment shows the layout.
const (
	MaxPacketSize = 1280                   // discv5-wire.md, UDP Communication
	MinPacketSize = aead.ChallengeDataSize // the same section; the size of a WHOAREYOU packet

	IVSize           = aead.IVSize
	StaticHeaderSize = 23
	NonceSize        = aead.NonceSize
	IDNonceSize      = 16
	TagSize          = aead.TagSize // of AES-GCM, at the end of each message

	MessageAuthSize   = 32                  // authdata of an ordinary message
	WhoareyouAuthSize = IDNonceSize + 8     // authdata of WHOAREYOU
	HandshakeHeadSize = MessageAuthSize + 2 // fixed part at the start of a handshake's authdata
	SignatureSize     = 64                  // ID signature, scheme v4
	EphemeralKeySize  = 33                  // compressed key, scheme v4
	headerStart       = IVSize              // start of the masked part
	authStart         = IVSize + StaticHeaderSize

	// WhoareyouSize is the size of a WHOAREYOU packet, and of the challenge data, which are the
	// same bytes unmasked.
	WhoareyouSize = authStart + WhoareyouAuthSize
	// MessageHeaderSize is the offset of the ciphertext of an ordinary message.
	MessageHeaderSize = authStart + MessageAuthSize
	// HandshakeHeaderSize is the offset of the ciphertext of a handshake without a record.
	HandshakeHeaderSize = authStart + HandshakeHeadSize + SignatureSize + EphemeralKeySize
	// MaxRecordSize is the largest size of a node record in EIP-778.
	MaxRecordSize = enr.MaxSize
	// MaxMessageSize is the largest plaintext of an ordinary message packet, including the type
	// byte.
	MaxMessageSize = MaxPacketSize - MessageHeaderSize - TagSize
)

// Flag is the kind of a packet (discv5-wire.md, Protocol Header).
type Flag byte

// Kinds of packets.
const (
	FlagMessage   Flag = 0
	FlagWhoareyou Flag = 1
	FlagHandshake Flag = 2
)

// Nonce is the 96-bit nonce of a packet. WHOAREYOU repeats the nonce of the packet that it answers.
type Nonce = [NonceSize]byte

// Reasons why a datagram is not a valid packet. Decoders return these values unwrapped, so that
// callers can count each one.
var (
	ErrSize       = errors.New("codec: datagram shorter than 63 or longer than 1280 bytes")
	ErrProtocol   = errors.New("codec: protocol ID or version does not match")
	ErrFlag       = errors.New("codec: unknown packet flag")
	ErrAuthSize   = errors.New("codec: authdata size does not fit the packet or its flag")
	ErrTrailing   = errors.New("codec: bytes after the end of the packet or message")
	ErrNoMessage  = errors.New("codec: packet has no message, or one that is shorter than its tag")
	ErrKeySizes   = errors.New("codec: signature or ephemeral key has the wrong size for scheme v4")
	ErrRecordSize = errors.New("codec: record larger than 300 bytes")
)

// Protocol is the identity of a network, which every packet carries. Nodes with different
// identities do not understand each other.
type Protocol struct {
	ID      [6]byte
	Version uint16
}

// DefaultProtocol is the identity of the public network.
var DefaultProtocol = Protocol{ID: [6]byte{'d', 'i', 's', 'c', 'v', '5'}, Version: 1}

// word returns the ID and version, in wire order, as a single integer.
func (p Protocol) word() uint64 {
	var b [8]byte
	copy(b[:], p.ID[:])
	binary.BigEndian.PutUint16(b[6:], p.Version)
	return binary.LittleEndian.Uint64(b[:])
}

// Packet is a decoded packet. Flag determines which fields are set. Slices point into the datagram.
type Packet struct {
	Flag  Flag
	Nonce Nonce

	// SourceID is the node ID that the sender claims (message and handshake).
	SourceID [32]byte

	// AD is the IV and unmasked header: the authenticated data of the message. In a WHOAREYOU
	// packet it is the challenge data.
	AD []byte
	// Message is the ciphertext with its tag (message and handshake).
	Message []byte

	// Signature (64 bytes), EphemeralKey (33) and Record (0 to 300) are set in a handshake only.
	// They are not verified.
	Signature    []byte
	EphemeralKey []byte
	Record       []byte

	// IDNonce and RecordSeq are set in WHOAREYOU only. RecordSeq is the sequence number of the
	// sender's record of this node, 0 for none.
	IDNonce   [IDNonceSize]byte
	RecordSeq uint64
}

// Decoder decodes packets to one node. It is not safe for concurrent use.
type Decoder struct {
	mask  *aead.Mask
	proto uint64
}

// NewDecoder returns a decoder for packets to the node with the given ID.
func NewDecoder(self *[32]byte, p Protocol) *Decoder {
	return &Decoder{mask: aead.NewMask(self), proto: p.word()}
}

// Decode unmasks datagram b in place and sets p, whose slices point into b. On error the content of
// b is unspecified, with two exceptions: ErrSize and ErrProtocol leave b unchanged, so that you can
// pass a datagram of another protocol on. Decode decrypts one AES block to detect other protocols,
// and more only if that block is valid.
func (d *Decoder) Decode(b []byte, p *Packet) error {
	if len(b) < MinPacketSize || len(b) > MaxPacketSize {
		return ErrSize
	}
	iv := (*[IVSize]byte)(b)
	first := b[headerStart : headerStart+16]
	d.mask.XOR(first, iv, 0)
	if binary.LittleEndian.Uint64(first) != d.proto {
		d.mask.XOR(first, iv, 0)
		return ErrProtocol
	}
	// The first block holds the flag, which determines the length of most headers. The rest is then
	// unmasked in one step.
	p.Flag = Flag(first[8])
	known := authStart
	switch p.Flag {
	case FlagMessage:
		known = MessageHeaderSize
	case FlagWhoareyou:
		known = WhoareyouSize
	}
	if known > len(b) {
		return ErrAuthSize
	}
	d.mask.XOR(b[headerStart+16:known], iv, 16)

	copy(p.Nonce[:], b[headerStart+9:])
	size := int(binary.BigEndian.Uint16(b[authStart-2 : authStart]))
	end := authStart + size
	if end > len(b) {
		return ErrAuthSize
	}
	auth := b[authStart:end]
	switch p.Flag {
	case FlagMessage:
		if size != MessageAuthSize {
			return ErrAuthSize
		}
		copy(p.SourceID[:], auth)
	case FlagWhoareyou:
		if size != WhoareyouAuthSize {
			return ErrAuthSize
		}
		if end != len(b) {
			return ErrTrailing
		}
		copy(p.IDNonce[:], auth)
		p.RecordSeq = binary.BigEndian.Uint64(auth[IDNonceSize:])
		p.AD = b[:end:end]
		return nil
	case FlagHandshake:
		if size < HandshakeHeadSize {
			return ErrAuthSize
		}
		d.mask.XOR(auth, iv, StaticHeaderSize)
		if err := p.splitHandshake(auth); err != nil {
			return err
		}
	default:
		return ErrFlag
	}
	if len(b)-end <= TagSize { // an empty plaintext has no message type
		return ErrNoMessage
	}
	p.AD = b[:end:end]
	p.Message = b[end:]
	return nil
}

// splitHandshake splits unmasked handshake authdata of at least HandshakeHeadSize bytes.
func (p *Packet) splitHandshake(auth []byte) error {
	copy(p.SourceID[:], auth)
	sig, key := int(auth[32]), int(auth[33])
	rest := auth[HandshakeHeadSize:]
	if sig != SignatureSize || key != EphemeralKeySize {
		return ErrKeySizes
	}
	if len(rest) < sig+key {
		return ErrAuthSize
	}
	p.Signature, rest = rest[:sig:sig], rest[sig:]
	p.EphemeralKey, rest = rest[:key:key], rest[key:]
	if len(rest) > MaxRecordSize {
		return ErrRecordSize
	}
	p.Record = rest[:len(rest):len(rest)]
	return nil
}

// CopyTo copies p to dst. The slices of dst point into buf, which must have room for the datagram,
// so that dst does not depend on the datagram's buffer. p must carry a message.
func (p *Packet) CopyTo(dst *Packet, buf []byte) {
	*dst = *p
	n := copy(buf, p.AD)
	m := copy(buf[n:], p.Message)
	dst.AD, dst.Message = buf[:n:n], buf[n:n+m]
	if p.Flag == FlagHandshake {
		at := authStart + HandshakeHeadSize
		dst.Signature = buf[at : at+SignatureSize]
		at += SignatureSize
		dst.EphemeralKey = buf[at : at+EphemeralKeySize]
		at += EphemeralKeySize
		dst.Record = buf[at:n:n]
	}
}
