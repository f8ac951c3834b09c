package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/aead"
)

func newPacketDecode(t *tool) *cobra.Command {
	var nodeID, readKey, protocol string
	c := &cobra.Command{
		Use: "decode DATAGRAM", Short: "Show header, authdata and message of a datagram",
		Long: `Show header, authdata and, with --read-key, the message of a datagram in hexadecimal digits.
DATAGRAM may be @FILE or - for standard input.

The header is masked with the node ID of whom the datagram was sent to: --node-id.
Exit code 1: the message does not open with the key; 2: this is no packet to that node.`,
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			if nodeID == "" {
				return wrong("--node-id is missing: the node that the datagram was sent to")
			}
			id, err := t.idOf(nodeID)
			if err != nil {
				return place("--node-id", err)
			}
			p, err := parseProtocol(protocol)
			if err != nil {
				return place("--protocol-id", err)
			}
			var key []byte
			if readKey != "" {
				if key, err = parseHex(readKey); err != nil {
					// may be most of a key: not quoted
					return wrong("--read-key: want 32 hexadecimal digits")
				}
				if len(key) != aead.KeySize {
					return wrong("--read-key has %d bytes, want %d", len(key), aead.KeySize)
				}
			}
			b, err := t.input(args[0])
			if err != nil {
				return place(argument(0), err)
			}
			raw, err := parseHex(strings.Join(words(b), ""))
			if err != nil {
				return place(argument(0), err)
			}
			i, err := decodePacket(raw, id, p, key)
			if i == nil {
				return place(argument(0), err)
			}
			t.print(i, i.text())
			return err
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&nodeID, "node-id", "", "node `ID`, or NODE, that the datagram was sent to")
	f.StringVar(&readKey, "read-key", "", "session `KEY` that opens the message, 32 hexadecimal digits")
	f.StringVar(&protocol, "protocol-id", "discv5", "protocol `ID` of the network, six characters")
	return c
}
