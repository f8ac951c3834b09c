package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

// recordFlags holds the flags that describe a new record.
type recordFlags struct {
	key, from string
	seq       uint64
	ip, ip6   string
	ports     map[string]*uint16
	set       []string
	unset     []string
}

// portKeys are the keys of ports, in the order of the help. Each has a flag.
var portKeys = [...]string{"udp", "udp6", "tcp", "tcp6", "quic", "quic6"}

func (r *recordFlags) add(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&r.key, "key", "", "private `KEY`: a file, or 64 hexadecimal digits, which other users of this machine can see")
	f.StringVar(&r.from, "from", "", "old `RECORD` to start from; the new one gets the next sequence number")
	f.Uint64Var(&r.seq, "seq", 1, "sequence `NUMBER`")
	f.StringVar(&r.ip, "ip", "", "IPv4 `ADDRESS`")
	f.StringVar(&r.ip6, "ip6", "", "IPv6 `ADDRESS`")
	r.ports = map[string]*uint16{}
	for _, k := range portKeys {
		r.ports[k] = f.Uint16(k, 0, "`PORT` of key "+k)
	}
	f.StringArrayVar(&r.set, "set", nil, "`PAIR` to set: key=VALUE with hexadecimal digits of RLP, or key:TEXT; repeatable")
	f.StringArrayVar(&r.unset, "unset", nil, "`KEY` of --from to leave out; repeatable")
}

func newEnrMake(t *tool) *cobra.Command {
	var r recordFlags
	c := &cobra.Command{
		Use: "make", Short: "Make and sign a record",
		Long: "Make and sign a record with the private key of --key.",
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if r.key == "" {
				return cli.Usagef("--key is missing; discv5 key generate makes one")
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
				return cli.Usage(err)
			}
			t.print(full(record.View()), record.String())
			return nil
		},
	}
	r.add(c.Flags())
	return c
}

// builder returns a builder with the values of the flags. It checks each flag, so that an error
// names it.
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
			return nil, cli.Usagef("--from: record of node %s, but --key is that of %s", old.ID().Short(), key.ID().Short())
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
		flag, value, family string
		v4                  bool
	}{{"ip", r.ip, "IPv4", true}, {"ip6", r.ip6, "IPv6", false}} {
		if !f.Changed(a.flag) {
			continue
		}
		ip, err := netip.ParseAddr(a.value)
		if err != nil || ip.Is4() != a.v4 || ip.Is4In6() || ip.Zone() != "" {
			return nil, cli.Usagef("--%s %s: want an %s address", a.flag, quote.Short(a.value), a.family)
		}
		b.SetIP(ip)
	}
	for _, k := range portKeys {
		if !f.Changed(k) {
			continue
		}
		if *r.ports[k] == 0 {
			return nil, cli.Usagef("--%s 0: want a port from 1 to 65535", k)
		}
		b.SetUint(k, uint64(*r.ports[k]))
	}
	for i, s := range r.set {
		err := setPair(b, s)
		if err == nil {
			// Sign this pair alone, so that the error is about this flag.
			one := enr.NewBuilder()
			setPair(one, s)
			if _, e := one.Sign(key); e != nil {
				err = cli.Usagef("%s: %w", quote.Short(s), e)
			}
		}
		if err != nil {
			return nil, place("--set "+strconv.Itoa(i+1), err)
		}
	}
	return b, nil
}

// setPair parses key=hexrlp or key:text. The first separator decides.
func setPair(b *enr.Builder, s string) error {
	at := strings.IndexAny(s, "=:")
	if at < 1 {
		return cli.Usagef("%s: want key=VALUE in RLP or key:TEXT", quote.Short(s))
	}
	key, value := s[:at], s[at+1:]
	if key == "id" || key == "secp256k1" {
		return cli.Usagef("signing sets key %s", key)
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

// converted is one node in another form.
type converted struct {
	NodeID string `json:"nodeId"`
	Record string `json:"record,omitempty"`
	Enode  string `json:"enode,omitempty"`
	Hex    string `json:"hex,omitempty"`
	Base64 string `json:"base64,omitempty"`
}

func newEnrConvert(t *tool) *cobra.Command {
	var to, keyFlag string
	var seq uint64
	c := &cobra.Command{
		Use: "convert NODE", Short: "Convert between records and enode URLs",
		Long: `Convert a record to an enode URL, or to another form with --to; or an enode URL to a record.

An enode URL is not signed, so you need the private key of its node (--key) to make a record.
Without the key, ask the node for its record with discv5 resolve.`,
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := t.text(args[0])
			if err != nil {
				return place(argument(0), err)
			}
			var r *enr.Record
			if strings.HasPrefix(text, "enode://") {
				if to == "" {
					to = "enr"
				}
				e, err := enr.ParseEnode(text)
				if err != nil {
					return place(argument(0), cli.Usage(err))
				}
				if r, err = t.recordOf(e, keyFlag, seq); err != nil {
					return err
				}
			} else if r, err = parseRecord(text); err != nil {
				return place(argument(0), err)
			}
			return t.printAs(r, to)
		},
	}
	c.Flags().StringVar(&to, "to", "", "`FORM`: enr, enode, hex or base64. Default: enode for a record, enr for an enode URL")
	c.Flags().StringVar(&keyFlag, "key", "", "private `KEY` that signs the record of an enode URL")
	c.Flags().Uint64Var(&seq, "seq", 1, "sequence `NUMBER` of the record of an enode URL")
	return c
}

// recordOf returns a signed record with the addresses of an enode URL.
func (t *tool) recordOf(e enr.Enode, keyFlag string, seq uint64) (*enr.Record, error) {
	if keyFlag == "" {
		return nil, cli.Usagef("argument 1: an enode URL is not signed: give the node's --key, or run discv5 resolve")
	}
	key, err := t.key(keyFlag)
	if err != nil {
		return nil, place("--key", err)
	}
	if key.PublicKey() != e.PublicKey {
		return nil, cli.Usagef("--key is not that of the enode URL")
	}
	if !e.Addr.IsValid() {
		return nil, cli.Usagef("argument 1: %w", errors.New("host is a name, and records hold addresses"))
	}
	b := enr.NewBuilder().SetSeq(seq).SetIP(e.Addr)
	tcp, udp := "tcp", "udp"
	if e.Addr.Is6() {
		tcp, udp = "tcp6", "udp6"
	}
	if e.TCP != 0 {
		b.SetUint(tcp, uint64(e.TCP))
	}
	if e.UDP != 0 {
		b.SetUint(udp, uint64(e.UDP))
	}
	return b.Sign(key)
}

func (t *tool) printAs(r *enr.Record, to string) error {
	c := converted{NodeID: r.ID().String()}
	var text string
	switch to {
	case "enr":
		c.Record = r.String()
		text = c.Record
	case "enode", "":
		e, ok := r.Enode()
		if !ok {
			return cli.Usagef("argument 1: the record has no address with a port for an enode URL")
		}
		c.Enode = e.String()
		text = c.Enode
		if _, v4 := r.UDPEndpoint4(); v4 {
			if v6, ok := r.UDPEndpoint6(); ok && v6 != (netip.AddrPort{}) {
				t.note("discv5: an enode URL has only one address; it does not have %s", v6)
			}
		}
	case "hex":
		c.Hex = hex.EncodeToString(r.Bytes())
		text = c.Hex
	case "base64":
		c.Base64 = base64.StdEncoding.EncodeToString(r.Bytes())
		text = c.Base64
	default:
		return cli.Usagef("--to %s: want enr, enode, hex or base64", quote.Short(to))
	}
	t.print(c, text)
	return nil
}
