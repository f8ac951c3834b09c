package enr

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/internal/rlp"
)

// ErrNoUDP is wrapped by the errors of CheckUDP.
var ErrNoUDP = errors.New("enr: record has no UDP address")

// ErrNoEntry is the result of Check for a missing entry.
var ErrNoEntry = errors.New("enr: record has no such entry")

// Reasons why the value of an optional entry does not fit its key. Check wraps them in an
// EntryError.
var (
	ErrIPSize       = errors.New("enr: value of ip is not a string of 4 bytes")
	ErrIP6Size      = errors.New("enr: value of ip6 is not a string of 16 bytes")
	ErrIP6Mapped    = errors.New("enr: value of ip6 is an IPv4-mapped address")
	ErrPortZero     = errors.New("enr: port is zero")
	ErrPortRange    = errors.New("enr: port is larger than 65535")
	ErrPortEncoding = errors.New("enr: port is not a canonical integer")
	ErrValueSize    = errors.New("enr: value is not a string of the size that its key has")
	ErrValueInteger = errors.New("enr: value is not a canonical integer of at most 64 bits")
	ErrValueBits    = errors.New("enr: value has bits set that its key does not define")
	ErrForkID       = errors.New("enr: value of eth is not a list that begins with a fork ID")
	ErrClient       = errors.New("enr: value of client is neither a string nor a list of two or three strings")
)

// EntryError reports an optional entry whose value does not fit its key. The record is still valid;
// its accessors report the entry as absent.
type EntryError struct {
	Key string
	Err error // one of the variables of this package
}

// Error returns the key and the reason.
func (e *EntryError) Error() string {
	return "enr: entry " + quote.Text(e.Key) + ": " + strings.TrimPrefix(e.Err.Error(), "enr: ")
}

// Unwrap returns e.Err.
func (e *EntryError) Unwrap() error { return e.Err }

// Check returns nil if the record has the entry key with a value that fits, ErrNoEntry if it has no
// such entry, and otherwise an *EntryError. It knows ip, ip6, udp, udp6, tcp, tcp6 (enr.md, Record
// Structure), quic, quic6, the consensus layer's eth2, attnets, syncnets, cgc and nfd, the
// execution layer's eth (EIP-2124), ng and topic-discovery of topic discovery, and client
// (EIP-7636). Any value of another key fits.
//
// A failed check allocates. The accessors do not allocate; they report an entry that does not fit
// as absent.
func (v View) Check(key string) error {
	value, ok := v.Get(key)
	if !ok {
		return ErrNoEntry
	}
	if err := checkEntry(key, value); err != nil {
		return &EntryError{Key: key, Err: err}
	}
	return nil
}

// BadEntries iterates over the entries whose values do not fit their keys, in key order.
func (v View) BadEntries() iter.Seq[*EntryError] {
	return func(yield func(*EntryError) bool) {
		for k, value := range v.Pairs() {
			err := checkEntry(string(k), value)
			if err != nil && !yield(&EntryError{Key: string(k), Err: err}) {
				return
			}
		}
	}
}

// CheckUDP returns nil if the record has a UDP endpoint. Otherwise the error wraps ErrNoUDP and
// names the entry that is missing or does not fit.
func (v View) CheckUDP() error {
	_, has4 := v.UDPEndpoint4()
	_, has6 := v.UDPEndpoint6()
	if has4 || has6 {
		return nil
	}
	for _, key := range []string{"ip", "ip6", "udp", "udp6"} {
		if err := v.Check(key); err != nil && err != ErrNoEntry {
			return fmt.Errorf("%w: %w", ErrNoUDP, err)
		}
	}
	missing := "no ip and no ip6"
	if _, ok := v.IP4(); ok {
		missing = "no udp"
	} else if _, ok := v.IP6(); ok {
		missing = "no udp6 and no udp"
	}
	return fmt.Errorf("%w: it has %s", ErrNoUDP, missing)
}

// checkEntry checks the value of one optional entry, a canonical RLP value.
func checkEntry(key string, value []byte) (err error) {
	switch key {
	case "ip":
		return checkIP(value)
	case "ip6":
		return checkIP6(value)
	case "udp", "udp6", "tcp", "tcp6", "quic", "quic6":
		_, err = port(value)
	case keyEth2:
		_, err = sized(value, eth2Size)
	case keyAttnets:
		_, err = sized(value, attnetsSize)
	case keySyncnets:
		_, err = syncnets(value)
	case keyCustody, keyTopics, keyTopicsOld:
		_, err = integer(value)
	case keyNextFork:
		_, err = sized(value, nextForkSize)
	case keyEth:
		_, err = forkID(value)
	case keyClient:
		return checkClient(value)
	}
	return err
}

func checkIP(value []byte) error {
	if s, _, err := rlp.String(value); err != nil || len(s) != 4 {
		return ErrIPSize
	}
	return nil
}

func checkIP6(value []byte) error {
	s, _, err := rlp.String(value)
	if err != nil || len(s) != 16 {
		return ErrIP6Size
	}
	if [12]byte(s) == mappedPrefix {
		return ErrIP6Mapped
	}
	return nil
}

// mappedPrefix is the prefix of an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2).
var mappedPrefix = [12]byte{10: 0xff, 11: 0xff}

// port decodes value as a port. It returns 0 on error.
func port(value []byte) (uint16, error) {
	n, _, err := rlp.Uint64(value)
	if err != nil {
		if s, _, err := rlp.String(value); err == nil && len(s) > 8 && s[0] != 0 {
			return 0, ErrPortRange
		}
		return 0, ErrPortEncoding
	}
	switch {
	case n == 0:
		return 0, ErrPortZero
	case n > 0xffff:
		return 0, ErrPortRange
	}
	return uint16(n), nil
}

// sized decodes a string of the given size.
func sized(value []byte, size int) ([]byte, error) {
	s, _, err := rlp.String(value)
	if err != nil || len(s) != size {
		return nil, ErrValueSize
	}
	return s, nil
}

func integer(value []byte) (uint64, error) {
	n, _, err := rlp.Uint64(value)
	if err != nil {
		return 0, ErrValueInteger
	}
	return n, nil
}

// checkClient accepts the list of EIP-7636, which is name, version and optionally build, and the
// plain text that some programs write.
func checkClient(value []byte) error {
	p, _, err := rlp.List(value)
	if err != nil {
		return nil // a string, because value is canonical
	}
	n := 0
	for ; len(p) > 0; n++ {
		if _, p, err = rlp.String(p); err != nil {
			return ErrClient
		}
	}
	if n != 2 && n != 3 {
		return ErrClient
	}
	return nil
}
