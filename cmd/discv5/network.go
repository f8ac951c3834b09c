package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

// network holds the flags of a command that sends, and starts the node that sends.
type network struct {
	t         *tool
	addrs     []string
	keyFlag   string
	protocol  string
	timeout   cli.Seconds
	bootFlags []string
	dnsFlag   string

	listen []netip.AddrPort // of --addr
	names  *nameServer      // of --dns
	boot   []target         // of --bootnodes
	change func(*discv5.Config)
}

// flags adds the flags. timeoutName and short are the names of the flag for the request timeout;
// boot adds --bootnodes.
func (n *network) flags(f *pflag.FlagSet, timeoutName, short string, boot bool) {
	f.SortFlags = false
	n.timeout = cli.Seconds(discv5.DefaultRequestTimeout)
	if boot {
		f.StringArrayVar(&n.bootFlags, "bootnodes", nil, "`NODES` to start from, separated by commas: enr:..., enode://..., enrtree://... or @FILE; repeatable")
	}
	f.VarP(&n.timeout, timeoutName, short, "`TIME` to wait for each answer; a handshake may take twice as long")
	f.StringArrayVar(&n.addrs, "addr", nil, "UDP `ADDR` to listen on: IP:PORT, [IPv6]:PORT or :PORT; repeatable. Default: a free port, on loopback if all nodes named are there")
	f.StringVar(&n.keyFlag, "key", "", "private `KEY` of this node: a file, or 64 hexadecimal digits, which other users of this machine can see. Default: a new key")
	dnsFlag(f, &n.dnsFlag)
	f.StringVar(&n.protocol, "protocol-id", "discv5", "protocol `ID` of the network, six characters")
}

// parse parses --addr, --dns and --bootnodes. Callers must call it before target.
func (n *network) parse(ctx context.Context) (err error) {
	for _, s := range n.addrs {
		addr, ipv6, err := cli.ParseListenAddr(s)
		if err != nil {
			return place("--addr", cli.Usage(err))
		}
		n.listen = append(n.listen, addr)
		if ipv6.IsValid() {
			n.listen = append(n.listen, ipv6)
		}
	}
	if n.names, err = parseDNS(n.dnsFlag); err != nil {
		return place("--dns", err)
	}
	if n.timeout == 0 {
		return cli.Usagef("the time to wait for an answer is 0")
	}
	count := 0
	for _, flag := range n.bootFlags {
		texts, err := n.t.bootTexts(flag)
		if err != nil {
			return place("--bootnodes", err)
		}
		for _, s := range texts {
			count++
			where := fmt.Sprintf("--bootnodes: node %d", count)
			if strings.HasPrefix(s, dnsdisc.LinkPrefix) {
				listed, err := n.list(ctx, where, s)
				if err != nil {
					return place(where, err)
				}
				n.boot = append(n.boot, listed...)
				continue
			}
			to, err := parseTarget(ctx, n.names, s, n.listen)
			if err != nil {
				return place(where, err)
			}
			n.boot = append(n.boot, to)
		}
	}
	return nil
}

// target parses the first argument, which names a node.
func (n *network) target(ctx context.Context, args []string) (target, error) {
	text, err := n.t.text(args[0])
	if err != nil {
		return target{}, place(argument(0), err)
	}
	to, err := parseTarget(ctx, n.names, text, n.listen)
	return to, place(argument(0), err)
}

// startFor starts a node that can reach the node that the first argument names, and returns both.
func (n *network) startFor(ctx context.Context, args []string) (*discv5.Node, target, error) {
	to, err := n.target(ctx, args)
	if err != nil {
		return nil, target{}, err
	}
	node, err := n.start(ctx, []target{to}, false)
	return node, to, err
}

// start starts a node that can reach the targets and, if wide, the nodes that they return.
func (n *network) start(ctx context.Context, targets []target, wide bool) (*discv5.Node, error) {
	cfg := discv5.Config{Sockets: 1, RequestTimeout: time.Duration(n.timeout), ListenAddrs: n.listen}
	var err error
	if n.keyFlag != "" {
		if cfg.PrivateKey, err = n.t.key(n.keyFlag); err != nil {
			return nil, place("--key", err)
		}
	}
	if cfg.Protocol, err = parseProtocol(n.protocol); err != nil {
		return nil, place("--protocol-id", err)
	}
	for _, b := range n.boot {
		cfg.Bootnodes = append(cfg.Bootnodes, b.contact)
	}
	if n.change != nil {
		n.change(&cfg)
	}
	var optional []netip.AddrPort
	if len(cfg.ListenAddrs) == 0 {
		cfg.ListenAddrs, optional = listenFor(targets, wide)
	}
	required := cfg.ListenAddrs
	cfg.ListenAddrs = append(cfg.ListenAddrs[:len(required):len(required)], optional...)
	node, err := discv5.New(cfg)
	if err != nil && len(optional) > 0 {
		cfg.ListenAddrs = required
		node, err = discv5.New(cfg)
	}
	if err != nil {
		return nil, err
	}
	unusable := node.Subscribe(len(cfg.Bootnodes), discv5.EventBootnodeUnusable)
	defer unusable.Close()
	if err := node.Start(ctx); err != nil {
		node.Close()
		return nil, err
	}
	for range len(unusable.C) {
		e := <-unusable.C
		n.t.note("discv5: %s", oneLine(e.Err))
	}
	return node, nil
}

// listenFor chooses addresses to listen on, with free ports. The optional ones may fail to open.
func listenFor(targets []target, wide bool) (required, optional []netip.AddrPort) {
	local, has4, has6 := len(targets) > 0, false, false
	for _, to := range targets {
		local = local && to.loopback()
		has4, has6 = has4 || to.v4.IsValid(), has6 || to.v6.IsValid()
	}
	v4, v6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	if local {
		v4, v6 = netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()
	}
	a4, a6 := netip.AddrPortFrom(v4, 0), netip.AddrPortFrom(v6, 0)
	switch {
	case wide && !local:
		return []netip.AddrPort{a4}, []netip.AddrPort{a6}
	case wide && has4 && has6:
		return []netip.AddrPort{a4, a6}, nil
	case has4:
		return []netip.AddrPort{a4}, nil
	}
	return []netip.AddrPort{a6}, nil
}

// joinPoll is the time between checks of the table while a bootnode's record is on its way there.
const joinPoll = 10 * time.Millisecond

// join waits until a bootnode is in the node's table, where lookups start. One bootnode is enough.
func (n *network) join(ctx context.Context, node *discv5.Node) error {
	errs := make(chan error, len(n.boot))
	for _, b := range n.boot {
		go func() {
			var err error
			if b.contact.Record() == nil {
				_, err = node.RequestENR(ctx, b.contact)
			} else {
				_, err = node.Ping(ctx, b.contact)
			}
			errs <- err
		}()
	}
	last := errors.New("--bootnodes is missing")
	answered := false
	for range n.boot {
		if err := <-errs; err == nil {
			answered = true
		} else {
			last = err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !answered {
		return fmt.Errorf("no bootnode answers: %w", last)
	}
	// The node itself fetches the record of a bootnode that was given without one.
	wait, cancel := context.WithTimeout(ctx, 2*time.Duration(n.timeout))
	defer cancel()
	for node.Stats().Table == 0 {
		select {
		case <-wait.Done():
			return errors.New("a bootnode answers, but not from the address in its record")
		case <-time.After(joinPoll):
		}
	}
	return nil
}

// parseProtocol parses a protocol ID of six characters. The version is that of the public network.
func parseProtocol(s string) (codec.Protocol, error) {
	p := codec.DefaultProtocol
	if len(s) != len(p.ID) {
		return p, cli.Usagef("%s: want %d characters", quote.Short(s), len(p.ID))
	}
	copy(p.ID[:], s)
	return p, nil
}

// parseBytes returns the bytes of hexadecimal digits after 0x, and otherwise the bytes of s.
func parseBytes(s string) ([]byte, error) {
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		return parseHex(digits)
	}
	return []byte(s), nil
}

// parseHex parses hexadecimal digits, with or without 0x.
func parseHex(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		return nil, cli.Usagef("%s: not an even number of hexadecimal digits", quote.Short(s))
	}
	return b, nil
}

func hex0x(b []byte) string { return "0x" + hex.EncodeToString(b) }
