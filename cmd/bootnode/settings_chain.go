package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/forks"
	"github.com/fastdisc/discv5/internal/chain"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/entry"
	"github.com/fastdisc/discv5/internal/quote"
)

// Values of --serve.
const (
	serveNetwork = "network"
	serveAll     = "all"
)

// chainOptions are the settings about the network that the node serves.
type chainOptions struct {
	flags    chain.Flags
	serve    string
	enrs     []string
	protocol string

	chain     forks.Chain    // nil: none is named
	published []string       // bootnodes of a public network
	entries   []entry.Entry  // of enrs
	id        codec.Protocol // of protocol
}

// addChainFlags adds the flags.
func (c *chainOptions) addChainFlags(f *pflag.FlagSet) {
	c.flags.Add(f)
	f.StringVar(&c.serve, "serve", "", "nodes `WHICH` to keep in the table and to relay: network (those of the chain) or all. Default: network, if a chain is named")
	f.StringArrayVar(&c.enrs, "enr", nil, "`KEY=VALUE` to put into the record, such as eth2=0x6a95a1a9 or client=NAME,VERSION; repeatable")
	f.StringVar(&c.protocol, "protocol-id", string(codec.DefaultProtocol.ID[:]), "protocol `ID` of the network, six characters; other nodes must use the same")
}

// chainFlags are the names of the flags for the help.
var chainFlags = slices.Concat(chain.Names, []string{"serve", "enr", "protocol-id"})

// parseChain checks and parses the settings.
func (o *options) parseChain() error {
	loaded, err := o.net.flags.Load(func(name string) bool { return o.origin[name] != "" }, o.from)
	if err != nil {
		return err
	}
	c := &o.net
	c.chain, c.published = loaded.Chain, loaded.Bootnodes
	switch {
	case c.serve == "" && o.origin["serve"] != "" || c.serve != "" && c.serve != serveNetwork && c.serve != serveAll:
		return fmt.Errorf("%s %s: want network or all", o.from("serve"), quote.Short(c.serve))
	case c.serve == serveNetwork && c.chain == nil:
		return fmt.Errorf("%s network needs --network or --chain-config", o.from("serve"))
	}
	c.id = codec.DefaultProtocol
	if len(c.protocol) != len(c.id.ID) {
		return fmt.Errorf("%s %s: want %d characters", o.from("protocol-id"), quote.Short(c.protocol), len(c.id.ID))
	}
	copy(c.id.ID[:], c.protocol)
	return o.parseEntries()
}

// parseEntries parses --enr, and checks that the record has room for the entries.
func (o *options) parseEntries() error {
	c := &o.net
	for i, s := range c.enrs {
		e, err := entry.Parse(s)
		if err != nil {
			return fmt.Errorf("%s: entry %d: %w", o.from("enr"), i+1, err)
		}
		if slices.ContainsFunc(c.entries, func(other entry.Entry) bool { return other.Key == e.Key }) {
			return fmt.Errorf("%s: entry %d: %s was set before", o.from("enr"), i+1, e.Key)
		}
		if c.chain != nil && slices.Contains(c.chain.Keys(), e.Key) {
			return fmt.Errorf("%s: entry %d: the chain sets %s", o.from("enr"), i+1, e.Key)
		}
		c.entries = append(c.entries, e)
	}
	key, err := enr.ParsePrivateKey(slices.Repeat([]byte{1}, enr.PrivateKeySize))
	if err != nil {
		return err
	}
	b := enr.NewBuilder().SetSeq(1 << 63).SetIP(netip.IPv6Unspecified()).SetIP(netip.IPv4Unspecified()).SetUDP(9000).SetUDP6(9000)
	c.setEntries(b, time.Now())
	if _, err := b.Sign(key); errors.Is(err, enr.ErrTooLarge) {
		return fmt.Errorf("%s: a record with these entries has more than %d bytes", o.from("enr"), enr.MaxSize)
	} else if err != nil {
		return fmt.Errorf("%s: %w", o.from("enr"), err)
	}
	return nil
}

// filters reports whether only nodes of the chain are served.
func (c *chainOptions) filters() bool { return c.chain != nil && c.serve != serveAll }

// setEntries sets the entries of the settings in a record.
func (c *chainOptions) setEntries(b *enr.Builder, now time.Time) {
	if c.chain != nil {
		c.chain.SetEntries(b, now)
	}
	for _, e := range c.entries {
		e.Set(b)
	}
}

// nodeKeys are the entries that the node sets itself.
var nodeKeys = []string{"id", "secp256k1", "ip", "udp", "ip6", "udp6"}

// recordEntries returns the function for Config.Entries. It removes the entries of the last run.
func (c *chainOptions) recordEntries(previous *enr.Record) func(*enr.Builder) {
	return func(b *enr.Builder) {
		if previous != nil {
			for key := range previous.Pairs() {
				if !slices.Contains(nodeKeys, string(key)) {
					b.Delete(string(key))
				}
			}
		}
		c.setEntries(b, time.Now())
	}
}

// readPublished adds the published bootnodes of the network, unless the user has named others.
func (o *options) readPublished(add func(text, where string) error) error {
	if o.origin["bootnodes"] != "" || o.origin["bootnodes-file"] != "" {
		return nil
	}
	for i, text := range o.net.published {
		if err := add(text, o.from("network")+": bootnode "+strconv.Itoa(i+1)); err != nil {
			return err
		}
	}
	return nil
}

// describeChain returns the text of the log about the chain.
func (c *chainOptions) describeChain(now time.Time) []any {
	name := c.chain.Name()
	if name == "" {
		name = c.flags.Config
	}
	list, i := c.chain.Forks(), c.chain.At(now)
	args := []any{"chain", cli.OneLine(errors.New(name)), "layer", c.chain.Layer(), "serve", c.serving(), "fork", list[i].Name, "digest", list[i].Digest.String()}
	if i+1 < len(list) && !list[i+1].Start.IsZero() {
		args = append(args, "next", list[i+1].Name, "next_digest", list[i+1].Digest.String(), "next_start", list[i+1].Start.UTC())
	}
	return args
}

func (c *chainOptions) serving() string {
	if c.filters() {
		return serveNetwork
	}
	return serveAll
}
