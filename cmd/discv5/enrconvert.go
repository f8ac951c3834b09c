package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/quote"
)

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
		Use: "convert NODE", Short: "Turn a record into an enode URL, or the other way round",
		Long: `Turn a record into an enode URL, or into another of its forms with --to.

An enode URL is not signed, so a record can be made of it only with the private key of its
node in --key. Without the key, discv5 resolve asks the node for its record.`,
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
					return place(argument(0), usageError{err})
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
	c.Flags().StringVar(&to, "to", "", "`FORM`: enr, enode, hex or base64. Default: the other one of enr and enode")
	c.Flags().StringVar(&keyFlag, "key", "", "private `KEY` that signs the record of an enode URL")
	c.Flags().Uint64Var(&seq, "seq", 1, "sequence `NUMBER` of the record of an enode URL")
	return c
}

// recordOf signs a record that says what an enode URL says.
func (t *tool) recordOf(e enr.Enode, keyFlag string, seq uint64) (*enr.Record, error) {
	if keyFlag == "" {
		return nil, wrong("argument 1: an enode URL is not signed: give the node's --key, or ask the node with discv5 resolve")
	}
	key, err := t.key(keyFlag)
	if err != nil {
		return nil, place("--key", err)
	}
	if key.PublicKey() != e.PublicKey {
		return nil, wrong("--key is not that of the enode URL")
	}
	if !e.Addr.IsValid() {
		return nil, wrong("argument 1: %w", errors.New("host is a name, and records hold addresses"))
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
			return wrong("argument 1: record has no address, or no port for it, that an enode URL could name")
		}
		c.Enode = e.String()
		text = c.Enode
		if _, v4 := r.UDPEndpoint4(); v4 {
			if v6, ok := r.UDPEndpoint6(); ok && v6 != (netip.AddrPort{}) {
				t.note("discv5: an enode URL has one address: %s is left out", v6)
			}
		}
	case "hex":
		c.Hex = hex.EncodeToString(r.Bytes())
		text = c.Hex
	case "base64":
		c.Base64 = base64.StdEncoding.EncodeToString(r.Bytes())
		text = c.Base64
	default:
		return wrong("--to %s: want enr, enode, hex or base64", quote.Short(to))
	}
	t.print(c, text)
	return nil
}
