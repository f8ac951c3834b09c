package main

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/quote"
)

// recordFlags are what a new record is made of.
type recordFlags struct {
	key, from string
	seq       uint64
	ip, ip6   string
	ports     map[string]*uint16
	set       []string
	unset     []string
}

// portKeys are the keys that have a flag of their own, in the order of the help.
var portKeys = [...]string{"udp", "udp6", "tcp", "tcp6", "quic", "quic6"}

func (r *recordFlags) add(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&r.key, "key", "", "private `KEY`: a file, or 64 hexadecimal digits, which other users of the machine can see")
	f.StringVar(&r.from, "from", "", "old `RECORD` to start from; the new one gets the next sequence number")
	f.Uint64Var(&r.seq, "seq", 1, "sequence `NUMBER`")
	f.StringVar(&r.ip, "ip", "", "IPv4 `ADDRESS`")
	f.StringVar(&r.ip6, "ip6", "", "IPv6 `ADDRESS`")
	r.ports = map[string]*uint16{}
	for _, k := range portKeys {
		r.ports[k] = f.Uint16(k, 0, "`PORT` of key "+k)
	}
	f.StringArrayVar(&r.set, "set", nil, "`PAIR` key=VALUE with the value in RLP as hexadecimal digits, or key:TEXT; repeatable")
	f.StringArrayVar(&r.unset, "unset", nil, "`KEY` to leave out of --from; repeatable")
}

func newEnrMake(t *tool) *cobra.Command {
	var r recordFlags
	c := &cobra.Command{
		Use: "make", Short: "Make and sign a record",
		Long: "Make and sign a record with the private key of --key.",
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if r.key == "" {
				return wrong("--key is missing; discv5 key generate makes one")
			}
			key, err := t.key(r.key)
			if err != nil {
				return place("--key", err)
			}
			b, err := r.builder(t, c.Flags(), key)
			if err != nil {
				return err
			}
			record, err := b.Sign(key)
			if err != nil {
				return usageError{err}
			}
			t.print(full(record.View()), record.String())
			return nil
		},
	}
	r.add(c.Flags())
	return c
}

// builder collects what the flags say. Each is checked here, so that an error names its flag.
func (r *recordFlags) builder(t *tool, f *pflag.FlagSet, key *enr.PrivateKey) (*enr.Builder, error) {
	b := enr.NewBuilder()
	if r.from != "" {
		text, err := t.text(r.from)
		if err != nil {
			return nil, place("--from", err)
		}
		old, err := parseRecord(text)
		if err != nil {
			return nil, place("--from", err)
		}
		if old.ID() != key.ID() {
			return nil, wrong("--from: record of node %s, but --key is that of %s", old.ID().Short(), key.ID().Short())
		}
		b = old.Edit()
	}
	if r.from == "" || f.Changed("seq") {
		b.SetSeq(r.seq)
	}
	for _, k := range r.unset {
		b.Delete(k)
	}
	for _, a := range []struct {
		flag, value string
		v4          bool
	}{{"ip", r.ip, true}, {"ip6", r.ip6, false}} {
		if !f.Changed(a.flag) {
			continue
		}
		ip, err := netip.ParseAddr(a.value)
		if err != nil || ip.Is4() != a.v4 || ip.Is4In6() || ip.Zone() != "" {
			return nil, wrong("--%s %s: not an address of this family", a.flag, quote.Short(a.value))
		}
		b.SetIP(ip)
	}
	for _, k := range portKeys {
		if !f.Changed(k) {
			continue
		}
		if *r.ports[k] == 0 {
			return nil, wrong("--%s 0: want a port from 1 to 65535", k)
		}
		b.SetUint(k, uint64(*r.ports[k]))
	}
	for i, s := range r.set {
		err := setPair(b, s)
		if err == nil {
			// Signed alone, so that what is wrong with a value is said of this flag.
			one := enr.NewBuilder()
			setPair(one, s)
			if _, e := one.Sign(key); e != nil {
				err = wrong("%s: %w", quote.Short(s), e)
			}
		}
		if err != nil {
			return nil, place("--set "+strconv.Itoa(i+1), err)
		}
	}
	return b, nil
}

// setPair reads key=hexrlp or key:text; what stands first decides.
func setPair(b *enr.Builder, s string) error {
	at := strings.IndexAny(s, "=:")
	if at < 1 {
		return wrong("%s: want key=VALUE in RLP or key:TEXT", quote.Short(s))
	}
	key, value := s[:at], s[at+1:]
	if key == "id" || key == "secp256k1" {
		return wrong("key %s is set by signing", key)
	}
	if s[at] == ':' {
		b.SetString(key, value)
		return nil
	}
	raw, err := parseHex(value)
	if err != nil {
		return place("key "+key, err)
	}
	b.Set(key, raw)
	return nil
}
