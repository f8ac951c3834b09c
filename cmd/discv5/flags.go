package main

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/quote"
)

// seconds is a flag for a time span: a number of seconds, as ping(8) takes it, or with a unit.
type seconds time.Duration

// Set implements pflag.Value.
func (s *seconds) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !(f >= 0 && f < 1e9) {
			return fmt.Errorf("want seconds or a time span such as 500ms or 2m")
		}
		d = time.Duration(f * float64(time.Second))
	}
	if d < 0 {
		return fmt.Errorf("is negative")
	}
	*s = seconds(d)
	return nil
}

// String implements pflag.Value.
func (s *seconds) String() string { return time.Duration(*s).String() }

// Type implements pflag.Value: the word for it in the help.
func (s *seconds) Type() string { return "TIME" }

// parseAddrs reads listen addresses: IP:PORT, [IPv6]:PORT, or :PORT for all IPv4 and IPv6
// addresses.
func parseAddrs(list []string) (addrs []netip.AddrPort, err error) {
	for _, s := range list {
		if port, both := strings.CutPrefix(s, ":"); both {
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				return nil, wrong("%s: port is not a number from 0 to 65535", quote.Short(s))
			}
			addrs = append(addrs, netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)), netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n)))
			continue
		}
		a, err := netip.ParseAddrPort(s)
		if err != nil {
			return nil, wrong("%s: want IP:PORT, [IPv6]:PORT or :PORT", quote.Short(s))
		}
		addrs = append(addrs, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
	}
	return addrs, nil
}

// parseExternal reads an address that the record is to name: IP or IP:PORT.
func parseExternal(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil || ip.Zone() != "" {
		return netip.AddrPort{}, wrong("%s: want IP, IP:PORT or [IPv6]:PORT", quote.Short(s))
	}
	return netip.AddrPortFrom(ip.Unmap(), 0), nil
}

// parseProtocol reads a protocol ID of six characters. The version is that of the public network.
func parseProtocol(s string) (codec.Protocol, error) {
	p := codec.DefaultProtocol
	if len(s) != len(p.ID) {
		return p, wrong("%s: want %d characters", quote.Short(s), len(p.ID))
	}
	copy(p.ID[:], s)
	return p, nil
}

// parseBytes reads hexadecimal digits after 0x, or else takes the text itself.
func parseBytes(s string) ([]byte, error) {
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		return parseHex(digits)
	}
	return []byte(s), nil
}

// parseHex reads hexadecimal digits, with or without 0x.
func parseHex(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		return nil, wrong("%s: not an even number of hexadecimal digits", quote.Short(s))
	}
	return b, nil
}

func hex0x(b []byte) string { return "0x" + hex.EncodeToString(b) }
