package main

import (
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/codec"
)

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

PAYLOAD is text, hexadecimal digits after 0x or with --hex, @FILE or - for standard input,
both byte by byte. Without it the request is empty. A node that does not know the protocol
answers with an empty payload.`,
		Args: arguments(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("protocol") {
				return wrong("--protocol is missing; see %s --help", c.CommandPath())
			}
			name, err := parseBytes(protocol)
			if err != nil {
				return place("--protocol", err)
			}
			ctx := c.Context()
			if err := n.parse(ctx); err != nil {
				return err
			}
			to, err := n.target(ctx, args, 0)
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
				return wrong("argument 2: protocol and payload have %d bytes, more than %d", size, codec.MaxTalkRequest)
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
				t.note("the answer is empty: the node may not know protocol %s", printable(name))
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
	f.BoolVar(&raw, "raw", false, "write the answer's bytes as they are")
	n.flags(f, "timeout", "W", false)
	return c
}

// payload reads what is to be sent. Only what stands on the command line itself can be digits
// without being told so.
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
