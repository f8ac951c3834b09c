package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

const (
	// namePrefix is before a TOPIC that is a name, whatever it looks like.
	namePrefix = "name:"
	// maxTopicName bounds a name, in bytes.
	maxTopicName = 1024
	// digitsForID is how many hexadecimal digits, and nothing else, must be the 64 of an ID: a name
	// is hardly ever so long, and a digit that is missing would silently name another topic.
	digitsForID = 40
)

const topicHelp = `TOPIC is 64 hexadecimal digits, or a name, which is hashed with SHA-256. name:TEXT is a name
whatever TEXT looks like.`

// topicArg is a TOPIC of the command line.
type topicArg struct {
	id   discv5.Topic
	name string // "" if it was given as digits
}

// parseTopic parses a TOPIC. It refuses what is more likely a mistake than a name.
func parseTopic(s string) (topicArg, error) {
	name, named := strings.CutPrefix(s, namePrefix)
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X")
	switch {
	case named:
	case digits != s || len(s) >= digitsForID && strings.Trim(s, "0123456789abcdefABCDEF") == "":
		id, err := discv5.ParseTopic(s)
		if err != nil {
			return topicArg{}, cli.Usagef("%s: not 64 hexadecimal digits; write %sTEXT if it is a name", quote.Short(s), namePrefix)
		}
		return topicArg{id: id}, nil
	case s == "-" || strings.HasPrefix(s, "@") || strings.HasPrefix(s, "enr:") || strings.Contains(s, "://"):
		return topicArg{}, cli.Usagef("%s: not a topic; write %sTEXT if it is a name", quote.Short(s), namePrefix)
	}
	switch {
	case name == "":
		return topicArg{}, cli.Usagef("the name of the topic is empty")
	case len(name) > maxTopicName:
		return topicArg{}, cli.Usagef("the name of the topic has %d bytes, more than %d", len(name), maxTopicName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return topicArg{}, cli.Usagef("%s: a name of a topic with control characters, or not in UTF-8", quote.Short(name))
	}
	return topicArg{discv5.TopicOf(name), name}, nil
}

// distance returns the log distance of a node from the topic.
func (t topicArg) distance(id enr.ID) int { return enr.LogDistance(enr.ID(t.id), id) }

// String returns the topic as errors and lines for people name it.
func (t topicArg) String() string {
	if t.name != "" {
		return quote.Short(t.name)
	}
	return enr.ID(t.id).Short()
}

func newTopicID(t *tool) *cobra.Command {
	return &cobra.Command{
		Use: "id TOPIC...", Short: "Print the ID of a topic",
		Long: "Print the ID of each topic as 64 hexadecimal digits.\n\n" + topicHelp,
		Args: arguments(1, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			var list []topicArg
			for i, a := range args {
				top, err := parseTopic(a)
				if err != nil {
					return place(argument(i), err)
				}
				list = append(list, top)
			}
			for _, top := range list {
				t.print(struct {
					Topic string `json:"topic"`
					Name  string `json:"name,omitempty"`
				}{top.id.String(), top.name}, top.id.String())
			}
			return nil
		},
	}
}

// topicNode is common to the commands that send requests about topics.
type topicNode struct {
	*network
	external []string
	limit    cli.Seconds
}

// limitFlags adds --timeout for a whole command, and --request-timeout and the others of network.
func (n *topicNode) limitFlags(f *pflag.FlagSet, limit time.Duration, boot bool) {
	n.limit = cli.Seconds(limit)
	f.Var(&n.limit, "timeout", "maximum `TIME` of the command; 0 for no limit")
	n.flags(f, "request-timeout", "", boot)
}

// externalFlag adds --extip.
func (n *topicNode) externalFlag(f *pflag.FlagSet) {
	f.StringArrayVar(&n.external, "extip", nil, "`IP[:PORT]` to put into the record; repeat it for the other family. Registrars take only a record that names the address that they see")
}

// parseAll parses the flags.
func (n *topicNode) parseAll(ctx context.Context, change func(*discv5.Config)) error {
	if err := n.parse(ctx); err != nil {
		return err
	}
	advertise, err := parseExternal(n.external)
	if err != nil {
		return place("--extip", err)
	}
	n.change = func(cfg *discv5.Config) {
		cfg.Advertise = advertise
		if change != nil {
			change(cfg)
		}
	}
	return nil
}

// timed returns a context that ends after --timeout.
func (n *topicNode) timed(ctx context.Context) (context.Context, context.CancelFunc) {
	if n.limit == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(n.limit))
}

// startJoined starts a node that has joined the network of --bootnodes.
func (n *topicNode) startJoined(ctx context.Context, command string) (*discv5.Node, error) {
	if len(n.boot) == 0 {
		return nil, cli.Usagef("--bootnodes is missing: it says where to start; see %s --help", command)
	}
	node, err := n.start(ctx, n.boot, true)
	if err != nil {
		return nil, err
	}
	stop := n.t.showing(asking(node))
	err = n.join(ctx, node)
	stop()
	if err != nil {
		node.Close()
		return nil, err
	}
	return node, nil
}

// noRegistrar is the error about a node that is not a registrar of topics.
func noRegistrar(id enr.ID) error {
	return fmt.Errorf("node %s is no registrar of topics: its record has no entry ng of version %d", id.Short(), enr.TopicVersion)
}

// requireRegistrar makes sure that the target is a registrar: others must get no topic message. It
// asks the node for its record unless the given one says so.
func requireRegistrar(ctx context.Context, node *discv5.Node, to target) error {
	if r := to.contact.Record(); r != nil && r.SupportsTopics() {
		return nil
	}
	r, err := node.RequestENR(ctx, to.contact)
	if err != nil {
		return err
	}
	if !r.SupportsTopics() {
		return noRegistrar(r.ID())
	}
	return nil
}

// explainSilence tells a registrar that does not answer a topic message from a node that is down,
// and from one that is not a registrar any more.
func explainSilence(ctx context.Context, node *discv5.Node, to target, refusal string, err error) error {
	if !errors.Is(err, discv5.ErrTimeout) || ctx.Err() != nil {
		return err
	}
	r, asked := node.RequestENR(ctx, to.contact)
	switch {
	case asked != nil:
		return err
	case !r.SupportsTopics():
		return noRegistrar(r.ID())
	}
	return fmt.Errorf("node %s answers other requests, but not this one: %s: %w", r.ID().Short(), refusal, err)
}
