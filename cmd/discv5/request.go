package main

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

func newFindNode(t *tool) *cobra.Command {
	n := &network{t: t}
	var distances []string
	var each bool
	c := &cobra.Command{
		Use: "findnode NODE", Short: "Ask a node for records of nodes at given distances from it",
		Long: `Send FINDNODE to a node and print the records of its answer, one a line.

All distances go into one request, and nodes answer with at most 16 records. With --each,
every distance has its own request, which shows a whole table. Distance 0 is the node's own
record. An answer without records is an answer: exit code 0.`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			list, err := parseDistances(distances)
			if err != nil {
				return place("--distance", err)
			}
			ctx := c.Context()
			if err := n.parse(ctx); err != nil {
				return err
			}
			node, to, err := n.startFor(ctx, args)
			if err != nil {
				return err
			}
			defer node.Close()
			requests := [][]uint{list}
			if each {
				requests = slices.Collect(slices.Chunk(list, 1))
			}
			count := 0
			for _, r := range requests {
				records, err := node.FindNode(ctx, to.contact, r...)
				if err != nil {
					return err
				}
				for _, r := range records {
					t.printFound(r, to.id())
				}
				count += len(records)
			}
			t.note("%s", cli.Count(count, "record"))
			return nil
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVarP(&distances, "distance", "d", []string{strconv.Itoa(codec.MaxDistance)}, "log `DISTANCE` from the node, 0 to 256, a range such as 250-256, or several with commas; repeatable")
	f.BoolVar(&each, "each", false, "one request for each distance")
	n.flags(f, "timeout", "W", false)
	return c
}

// printFound prints a record and, with --json, its distance from the ID that the request was about.
func (t *tool) printFound(r *enr.Record, from enr.ID) {
	i := brief(r.View())
	d := enr.LogDistance(from, r.ID())
	i.Distance = &d
	t.print(i, i.Record)
}

// parseDistances parses the values of --distance. It drops repeated distances.
func parseDistances(flags []string) (list []uint, err error) {
	for _, flag := range flags {
		for _, s := range strings.Split(flag, ",") {
			low, high, isRange := strings.Cut(strings.TrimSpace(s), "-")
			if !isRange {
				high = low
			}
			from, err1 := strconv.ParseUint(low, 10, 16)
			to, err2 := strconv.ParseUint(high, 10, 16)
			if err1 != nil || err2 != nil || from > codec.MaxDistance || to > codec.MaxDistance {
				return nil, fmt.Errorf("%s: %w", quote.Short(s), cli.Usagef("want 0 to %d, or a range of them", codec.MaxDistance))
			}
			step := 1
			if from > to {
				step = -1
			}
			for d := int(from); ; d += step {
				if !slices.Contains(list, uint(d)) {
					list = append(list, uint(d))
				}
				if d == int(to) {
					break
				}
			}
		}
	}
	return list, nil
}

// talkAnswer is the answer to a TALKREQ.
type talkAnswer struct {
	NodeID   string `json:"nodeId"`
	Protocol string `json:"protocol"`
	Payload  string `json:"payload"` // hexadecimal digits
	Size     int    `json:"size"`
}

func newTalk(t *tool) *cobra.Command {
	n := &network{t: t}
	var protocol string
	var isHex, raw bool
	c := &cobra.Command{
		Use: "talk NODE [PAYLOAD]", Short: "Send a request of an application's protocol",
		Long: `Send TALKREQ to a node and print the payload of its answer as hexadecimal digits.

PAYLOAD is text; hexadecimal digits, after 0x or with --hex; or the bytes of @FILE or of -,
standard input. The default is an empty request. A node that does not know the protocol
answers with an empty payload.`,
		Args: arguments(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("protocol") {
				return cli.Usagef("--protocol is missing; see %s --help", c.CommandPath())
			}
			name, err := parseBytes(protocol)
			if err != nil {
				return place("--protocol", err)
			}
			ctx := c.Context()
			if err := n.parse(ctx); err != nil {
				return err
			}
			to, err := n.target(ctx, args)
			if err != nil {
				return err
			}
			var payload []byte
			if len(args) > 1 && args[1] != "" {
				if payload, err = t.payload(args[1], isHex); err != nil {
					return place(argument(1), err)
				}
			}
			if size := len(name) + len(payload); size > codec.MaxTalkRequest {
				return cli.Usagef("argument 2: protocol and payload have %d bytes, more than %d", size, codec.MaxTalkRequest)
			}
			node, err := n.start(ctx, []target{to}, false)
			if err != nil {
				return err
			}
			defer node.Close()
			answer, err := node.Talk(ctx, to.contact, string(name), payload)
			if err != nil {
				return err
			}
			if len(answer) == 0 {
				t.note("the answer is empty; the node may not know protocol %s", printable(name))
			}
			if raw && !t.json {
				t.write(answer)
				return nil
			}
			digits := hex.EncodeToString(answer)
			t.print(talkAnswer{to.id().String(), printable(name), digits, len(answer)}, digits)
			return nil
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVarP(&protocol, "protocol", "p", "", "`NAME` of the protocol, or its bytes as hexadecimal digits after 0x")
	f.BoolVar(&isHex, "hex", false, "the payload is hexadecimal digits")
	f.BoolVar(&raw, "raw", false, "write the bytes of the answer unchanged")
	n.flags(f, "timeout", "W", false)
	return c
}

// payload returns the bytes of PAYLOAD. Without --hex, only an argument, not a file, may hold
// digits.
func (t *tool) payload(arg string, isHex bool) ([]byte, error) {
	b, err := t.input(arg)
	switch {
	case err != nil:
		return nil, err
	case isHex:
		s := ""
		for _, w := range words(b) {
			s += w
		}
		return parseHex(s)
	case arg[0] == '@' || arg == "-":
		return b, nil
	}
	if b, err = parseBytes(arg); err != nil {
		return nil, fmt.Errorf("after 0x: %w", err)
	}
	return b, nil
}
