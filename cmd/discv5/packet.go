package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// packetInfo is a packet taken apart. Byte strings are hexadecimal digits.
type packetInfo struct {
	Size       int    `json:"size"`
	IV         string `json:"iv"`
	ProtocolID string `json:"protocolId"`
	Version    uint16 `json:"version"`
	Flag       uint8  `json:"flag"`
	Kind       string `json:"kind"` // message, whoareyou or handshake
	Nonce      string `json:"nonce"`
	Authdata   string `json:"authdata"`

	SourceID     string      `json:"sourceId,omitempty"`
	IDNonce      string      `json:"idNonce,omitempty"`
	RecordSeq    *uint64     `json:"enrSeq,omitempty"`
	IDSignature  string      `json:"idSignature,omitempty"`
	EphemeralKey string      `json:"ephemeralKey,omitempty"`
	Record       *recordInfo `json:"record,omitempty"`
	RecordError  string      `json:"recordError,omitempty"`

	Ciphertext string       `json:"ciphertext,omitempty"`
	Plaintext  string       `json:"plaintext,omitempty"`
	Message    *messageInfo `json:"message,omitempty"`
}

// decodePacket takes a datagram apart and changes it. If only the message cannot be read it returns
// both the packet and an error.
func decodePacket(raw []byte, to enr.ID, proto codec.Protocol, key []byte) (*packetInfo, error) {
	size := len(raw)
	var p codec.Packet
	err := codec.NewDecoder((*[32]byte)(&to), proto).Decode(raw, &p)
	switch {
	case errors.Is(err, codec.ErrProtocol):
		return nil, wrong("not a packet to node %s of this protocol", to.Short())
	case err != nil:
		return nil, wrong("%d bytes: %w", size, err)
	}
	i := &packetInfo{
		Size: size, IV: hex.EncodeToString(p.AD[:codec.IVSize]), ProtocolID: string(proto.ID[:]), Version: proto.Version,
		Flag: uint8(p.Flag), Nonce: hex.EncodeToString(p.Nonce[:]),
		Authdata:   hex.EncodeToString(p.AD[codec.IVSize+codec.StaticHeaderSize:]),
		Ciphertext: hex.EncodeToString(p.Message),
	}
	switch p.Flag {
	case codec.FlagMessage:
		i.Kind, i.SourceID = "message", hex.EncodeToString(p.SourceID[:])
	case codec.FlagWhoareyou:
		i.Kind, i.IDNonce, i.RecordSeq = "whoareyou", hex.EncodeToString(p.IDNonce[:]), &p.RecordSeq
		return i, nil
	case codec.FlagHandshake:
		i.Kind, i.SourceID = "handshake", hex.EncodeToString(p.SourceID[:])
		i.IDSignature, i.EphemeralKey = hex.EncodeToString(p.Signature), hex.EncodeToString(p.EphemeralKey)
		if len(p.Record) > 0 {
			if v, err := enr.ParseView(p.Record); err != nil {
				i.RecordError = err.Error()
			} else {
				r := full(v)
				i.Record = &r
			}
		}
	}
	if key == nil {
		return i, nil
	}
	if err := aead.SelfTest(); err != nil {
		return i, err
	}
	plain, err := aead.NewCipher((*[aead.KeySize]byte)(key)).Open(nil, &p.Nonce, p.Message, p.AD)
	if err != nil {
		return i, errors.New("message does not open with the key of --read-key")
	}
	i.Plaintext = hex.EncodeToString(plain)
	if i.Message, err = decodeMessage(plain); err != nil {
		return i, fmt.Errorf("message opens, but is not well-formed: %w", err)
	}
	return i, nil
}

// text is the form for people.
func (i *packetInfo) text() string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-13s %s\n", name, value)
		}
	}
	line("packet", fmt.Sprintf("%s (flag %d), %d bytes", i.Kind, i.Flag, i.Size))
	line("protocol", fmt.Sprintf("%s version %d", i.ProtocolID, i.Version))
	line("IV", i.IV)
	line("nonce", i.Nonce)
	line("authdata", i.Authdata)
	line("source ID", i.SourceID)
	line("ID nonce", i.IDNonce)
	if i.RecordSeq != nil {
		line("enr-seq", fmt.Sprint(*i.RecordSeq))
	}
	line("ID signature", i.IDSignature)
	line("ephemeral key", i.EphemeralKey)
	if i.Record != nil {
		line("record", fmt.Sprintf("%s (node %s, seq %d, signature %s)", i.Record.Record, i.Record.NodeID, i.Record.Seq, i.Record.Signature))
	}
	line("record", i.RecordError)
	line("ciphertext", i.Ciphertext)
	line("plaintext", i.Plaintext)
	if i.Message != nil {
		line("message", i.Message.text())
	}
	return strings.TrimSuffix(b.String(), "\n")
}
