// Package entry parses entries of records as users write them on a command line: KEY=VALUE.
package entry

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/internal/rlp"
)

// Entry is an entry of a record.
type Entry struct {
	Key   string
	Value []byte // RLP
}

// Set sets the entry in a record.
func (e Entry) Set(b *enr.Builder) { b.Set(e.Key, e.Value) }

// Errors of Parse, which wrap them.
var (
	ErrForm     = errors.New("want KEY=VALUE")
	ErrKey      = errors.New("not a key that can be set")
	ErrEndpoint = errors.New("the record takes this from the addresses of the node")
	ErrTopics   = errors.New("--topics sets this")
	ErrValue    = errors.New("does not fit the key")
)

// reserved are the keys that follow from the node's key and its addresses.
var reserved = []string{"id", "secp256k1"}

var endpoints = []string{"ip", "ip6", "udp", "udp6"}

// topicKeys say that the node is a registrar of topics.
var topicKeys = []string{"ng", "topic-discovery"}

// maxKey is the maximum length of a key: a record has 300 bytes.
const maxKey = 64

// Parse parses KEY=VALUE. The form of the value depends on the key:
//
//	eth2                    DIGEST,VERSION,EPOCH, such as 0x6a95a1a9,0x05000000,364032; without
//	                        VERSION and EPOCH no fork is planned; or 16 bytes in hexadecimal
//	nfd                     4 bytes in hexadecimal
//	eth                     HASH or HASH,NEXT, such as 0x9f3d2254,1746612311
//	attnets, syncnets       8 bytes and 1 byte in hexadecimal
//	cgc, tcp, tcp6,         a number
//	quic, quic6
//	client                  NAME,VERSION or NAME,VERSION,BUILD (EIP-7636)
//	others                  uint:N, rlp:HEX, 0xHEX for bytes, or text
//
// rlp:HEX is allowed for all keys.
func Parse(s string) (Entry, error) {
	key, text, ok := strings.Cut(s, "=")
	switch {
	case !ok || key == "":
		return Entry{}, fmt.Errorf("%s: %w", quote.Short(s), ErrForm)
	case slices.Contains(reserved, key) || len(key) > maxKey:
		return Entry{}, fmt.Errorf("%s: %w", quote.Short(key), ErrKey)
	case slices.Contains(endpoints, key):
		return Entry{}, fmt.Errorf("%s: %w", key, ErrEndpoint)
	case slices.Contains(topicKeys, key):
		return Entry{}, fmt.Errorf("%s: %w", key, ErrTopics)
	}
	value, err := parseValue(key, text)
	if err != nil {
		return Entry{}, fmt.Errorf("%s=%s: %w", quote.Short(key), quote.Short(text), err)
	}
	return Entry{key, value}, nil
}

func parseValue(key, text string) ([]byte, error) {
	if digits, ok := strings.CutPrefix(text, "rlp:"); ok {
		raw, err := hexBytes(digits, -1)
		if err != nil {
			return nil, err
		}
		if _, rest, err := rlp.Value(raw); err != nil || len(rest) > 0 {
			return nil, fmt.Errorf("%w: not one value in RLP", ErrValue)
		}
		return raw, checkValue(key, raw)
	}
	var value []byte
	var err error
	switch key {
	case "eth2":
		value, err = eth2(text)
	case "eth":
		return eth(text)
	case "nfd":
		value, err = hexBytes(text, 4)
	case "attnets":
		value, err = hexBytes(text, 8)
	case "syncnets":
		value, err = hexBytes(text, 1)
	case "client":
		return client(text)
	case "cgc":
		return number(text, math.MaxUint64)
	case "tcp", "tcp6", "quic", "quic6":
		return number(text, math.MaxUint16)
	default:
		if digits, ok := strings.CutPrefix(text, "uint:"); ok {
			return number(digits, math.MaxUint64)
		}
		value = []byte(text)
		if strings.HasPrefix(text, "0x") {
			value, err = hexBytes(text, -1)
		}
	}
	if err != nil {
		return nil, err
	}
	raw := rlp.AppendString(nil, value)
	return raw, checkValue(key, raw)
}

// checkValue refuses a value that readers ignore.
func checkValue(key string, raw []byte) error {
	key0, err := enr.ParsePrivateKey(slices.Repeat([]byte{1}, enr.PrivateKeySize))
	if err != nil {
		return err
	}
	r, err := enr.NewBuilder().Set(key, raw).Sign(key0)
	if err != nil {
		return err
	}
	if err := r.Check(key); err != nil {
		return fmt.Errorf("%w: %w", ErrValue, err)
	}
	return nil
}

// hexBytes parses bytes; size is negative for any number.
func hexBytes(text string, size int) ([]byte, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: not hexadecimal", ErrValue)
	case size >= 0 && len(b) != size:
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrValue, len(b), size)
	}
	return b, nil
}

func number(text string, most uint64) ([]byte, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > most {
		return nil, fmt.Errorf("%w: want a number from 0 to %d", ErrValue, most)
	}
	return rlp.AppendUint64(nil, n), nil
}

// eth2 returns an ENRForkID.
func eth2(text string) ([]byte, error) {
	fields := strings.Split(text, ",")
	switch len(fields) {
	case 1:
		if b, err := hexBytes(text, 16); err == nil {
			return b, nil
		}
		digest, err := hexBytes(text, 4)
		if err != nil {
			return nil, fmt.Errorf("%w: want a digest of 4 bytes, DIGEST,VERSION,EPOCH or 16 bytes", ErrValue)
		}
		value := append(digest, make([]byte, 4)...)
		return binary.LittleEndian.AppendUint64(value, math.MaxUint64), nil
	case 3:
		digest, err := hexBytes(fields[0], 4)
		if err != nil {
			return nil, err
		}
		version, err := hexBytes(fields[1], 4)
		if err != nil {
			return nil, err
		}
		epoch, err := strconv.ParseUint(fields[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: epoch is not a number", ErrValue)
		}
		return binary.LittleEndian.AppendUint64(append(digest, version...), epoch), nil
	}
	return nil, fmt.Errorf("%w: want DIGEST or DIGEST,VERSION,EPOCH", ErrValue)
}

// client returns a list of texts.
func client(text string) ([]byte, error) {
	parts := strings.Split(text, ",")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" {
		return nil, fmt.Errorf("%w: want NAME,VERSION or NAME,VERSION,BUILD", ErrValue)
	}
	var fields []byte
	for _, p := range parts {
		fields = rlp.AppendString(fields, []byte(p))
	}
	return append(rlp.AppendListHeader(nil, len(fields)), fields...), nil
}

// eth returns a list with a fork ID, in RLP.
func eth(text string) ([]byte, error) {
	hash, next, _ := strings.Cut(text, ",")
	h, err := hexBytes(hash, 4)
	if err != nil {
		return nil, err
	}
	if next == "" {
		next = "0"
	}
	n, err := number(next, math.MaxUint64)
	if err != nil {
		return nil, err
	}
	id := append(rlp.AppendString(nil, h), n...)
	list := append(rlp.AppendListHeader(nil, len(id)), id...)
	return append(rlp.AppendListHeader(nil, len(list)), list...), nil
}
