package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// showValue is the value of a pair as people read it. rlp is one canonical value: what records are
// made of.
func showValue(key string, rlp []byte) string {
	content, rest, list := splitRLP(rlp)
	if list || len(rest) > 0 {
		return showRLP(rlp)
	}
	switch key {
	case "ip", "ip6":
		if a, ok := netip.AddrFromSlice(content); ok {
			return a.String()
		}
	case "udp", "udp6", "tcp", "tcp6", "quic", "quic6", "cgc":
		if len(content) <= 8 {
			var n [8]byte
			copy(n[8-len(content):], content)
			return strconv.FormatUint(binary.BigEndian.Uint64(n[:]), 10)
		}
	case "eth2": // ENRForkID of the consensus specification, in SSZ
		if len(content) == 16 {
			return fmt.Sprintf("fork digest %x, next fork version %x, next fork epoch %d",
				content[:4], content[4:8], binary.LittleEndian.Uint64(content[8:]))
		}
	case "attnets", "syncnets", "nfd", "secp256k1":
		return hex0x(content)
	}
	return showRLP(rlp)
}

// showRLP writes strings in quotes if they are text, else in hexadecimal, and lists in brackets.
func showRLP(rlp []byte) string {
	content, _, list := splitRLP(rlp)
	if !list {
		return printable(content)
	}
	var items []string
	for len(content) > 0 {
		_, rest, _ := splitRLP(content)
		items = append(items, showRLP(content[:len(content)-len(rest)]))
		content = rest
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// printable is text as it is, in quotes if it could be taken for something else, and hexadecimal
// digits for bytes.
func printable(b []byte) string {
	if len(b) == 0 {
		return `""`
	}
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return hex0x(b)
		}
	}
	if s := string(b); strings.ContainsAny(s, ` ,[]"`) || strings.HasPrefix(s, "0x") {
		return strconv.Quote(s)
	}
	return string(b)
}

// splitRLP parts the first value of b into its content and what follows. b is canonical; if it is
// not, all of it is content.
func splitRLP(b []byte) (content, rest []byte, list bool) {
	if len(b) == 0 || b[0] < 0x80 {
		n := min(len(b), 1)
		return b[:n], b[n:], false
	}
	base := byte(0x80)
	if list = b[0] >= 0xc0; list {
		base = 0xc0
	}
	size, head := int(b[0]-base), 1
	if size > 55 {
		head += size - 55
		size = 0
		for _, c := range b[1:min(head, len(b))] {
			size = size<<8 | int(c)
		}
	}
	if head > 3 || head+size > len(b) { // no value of a record is longer
		return b, nil, false
	}
	return b[head : head+size], b[head+size:], list
}
