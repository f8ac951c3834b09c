package codec

import (
	"encoding/binary"

	"github.com/fastdisc/discv5/aead"
)

// The encoders write a packet in three steps, so that nothing is copied twice:
//
//  1. An Append…Header function appends the IV and the unmasked header: the authenticated data.
//  2. The caller appends the message and seals it in place.
//  3. MaskHeader masks the header.
//
// dst must be empty in step 1, because offsets are those of the packet.

func appendStatic(dst []byte, p Protocol, iv *[IVSize]byte, f Flag, nonce *Nonce, authSize int) []byte {
	dst = append(dst, iv[:]...)
	dst = append(dst, p.ID[:]...)
	dst = binary.BigEndian.AppendUint16(dst, p.Version)
	dst = append(dst, byte(f))
	dst = append(dst, nonce[:]...)
	return binary.BigEndian.AppendUint16(dst, uint16(authSize))
}

// AppendMessageHeader appends the IV and unmasked header of an ordinary message packet from source:
// MessageHeaderSize bytes.
func AppendMessageHeader(dst []byte, p Protocol, iv *[IVSize]byte, nonce *Nonce, source *[32]byte) []byte {
	dst = appendStatic(dst, p, iv, FlagMessage, nonce, MessageAuthSize)
	return append(dst, source[:]...)
}

// AppendWhoareyou appends an unmasked WHOAREYOU packet, which is the challenge data: WhoareyouSize
// bytes. nonce is the nonce of the packet that it answers. recordSeq is the sequence number of this
// node's newest record of the sender, 0 for none.
func AppendWhoareyou(dst []byte, p Protocol, iv *[IVSize]byte, nonce *Nonce, idNonce *[IDNonceSize]byte, recordSeq uint64) []byte {
	dst = appendStatic(dst, p, iv, FlagWhoareyou, nonce, WhoareyouAuthSize)
	dst = append(dst, idNonce[:]...)
	return binary.BigEndian.AppendUint64(dst, recordSeq)
}

// AppendHandshakeHeader appends the IV and unmasked header of a handshake packet from source:
// HandshakeHeaderSize bytes and the record. The record has at most MaxRecordSize bytes and may be
// empty.
func AppendHandshakeHeader(dst []byte, p Protocol, iv *[IVSize]byte, nonce *Nonce, source *[32]byte,
	signature *[SignatureSize]byte, ephemeral *[EphemeralKeySize]byte, record []byte) []byte {
	size := HandshakeHeadSize + SignatureSize + EphemeralKeySize + len(record)
	dst = appendStatic(dst, p, iv, FlagHandshake, nonce, size)
	dst = append(dst, source[:]...)
	dst = append(dst, SignatureSize, EphemeralKeySize)
	dst = append(dst, signature[:]...)
	dst = append(dst, ephemeral[:]...)
	return append(dst, record...)
}

// MaskHeader masks the header of a packet in place. headerEnd is the offset of the message: the
// length after the Append…Header function. dest is the recipient's node ID.
func MaskHeader(packet []byte, headerEnd int, dest *[32]byte) {
	aead.MaskOnce(packet[headerStart:headerEnd], dest, (*[IVSize]byte)(packet))
}
