package discv5_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/topic"
)

// loopbackNode runs a node on the loopback interface.
func loopbackNode(t *testing.T, change func(*discv5.Config)) *discv5.Node {
	t.Helper()
	cfg := discv5.Config{ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, RequestTimeout: 10 * time.Second, Resend: 3}
	if change != nil {
		change(&cfg)
	}
	n, err := discv5.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

func asRegistrar(cfg *discv5.Config) { cfg.Topics.Registrar = true }

func TestTopicRequests(t *testing.T) {
	ctx := t.Context()
	registrar, a, b := loopbackNode(t, asRegistrar), loopbackNode(t, nil), loopbackNode(t, nil)
	to := discv5.Contacts(registrar.LocalRecord())[0]
	top := discv5.TopicOf("test")
	events := registrar.Subscribe(10, discv5.EventAdAdmitted)

	c, err := a.RegisterTopic(ctx, to, top, nil)
	if err != nil || !c.Placed || c.Wait != topic.DefaultLifetime || len(c.Ticket) != 0 {
		t.Fatalf("register: %+v, %v", c, err)
	}
	if e := <-events.C; e.ID != a.ID() || e.Topic != top {
		t.Errorf("event %+v", e)
	}
	if c, err = b.RegisterTopic(ctx, to, top, nil); err != nil || c.Placed || len(c.Ticket) != topic.TicketSize || c.Wait <= 0 {
		t.Errorf("the second one: %+v, %v", c, err)
	}
	ads, others, err := b.QueryTopic(ctx, to, top, 256)
	if err != nil || len(ads) != 1 || ads[0].ID() != a.ID() || len(others) != 0 {
		t.Errorf("query: %v, %v, %v", ads, others, err)
	}
	if list := registrar.TopicAds(top); len(list) != 1 || list[0].ID() != a.ID() {
		t.Errorf("ads: %v", list)
	}
	if list := registrar.LargestTopics(5); len(list) != 1 || list[0].Topic != top || list[0].Ads != 1 {
		t.Errorf("topics: %v", list)
	}
	if s := registrar.TopicStats(); s.Ads != 1 || s.Topics != 1 || s.Results[topic.Admitted] != 1 || s.Results[topic.Waiting] != 1 || s.Queries != 1 {
		t.Errorf("stats: %+v", s)
	}
	if s := a.TopicStats(); s != (discv5.TopicStats{}) || a.TopicAds(top) != nil || a.LargestTopics(5) != nil {
		t.Errorf("a node that is no registrar has %+v", s)
	}
}

func TestTopicErrors(t *testing.T) {
	ctx := t.Context()
	registrar, a := loopbackNode(t, asRegistrar), loopbackNode(t, func(c *discv5.Config) { c.RequestTimeout, c.Resend = 100*time.Millisecond, 0 })
	to, top := discv5.Contacts(registrar.LocalRecord())[0], discv5.TopicOf("test")
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	closed := loopbackNode(t, asRegistrar)
	closed.Close()
	for _, c := range []struct {
		name string
		call func() error
		want error
	}{
		{"advertise without being a registrar", func() error { _, err := a.AdvertiseTopic(ctx, top); return err }, discv5.ErrNotRegistrar},
		{"advertise with a context that has ended", func() error { _, err := registrar.AdvertiseTopic(canceled, top); return err }, context.Canceled},
		{"advertise at a closed node", func() error { _, err := closed.AdvertiseTopic(ctx, top); return err }, discv5.ErrClosed},
		{"lookup without registrars", func() error { _, err := a.LookupTopic(ctx, top, 5); return err }, discv5.ErrNoTopicNodes},
		{"lookup at a closed node", func() error { _, err := closed.LookupTopic(ctx, top, 5); return err }, discv5.ErrClosed},
		{"search with a context that has ended", func() error {
			for _, err := range a.SearchTopic(canceled, top) {
				return err
			}
			return nil
		}, context.Canceled},
		{"search without registrars", func() error {
			short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			for _, err := range a.SearchTopic(short, top) {
				return err
			}
			return nil
		}, discv5.ErrNoTopicNodes},
		{"query of a node that is no registrar", func() error {
			_, _, err := a.QueryTopic(ctx, discv5.Contacts(loopbackNode(t, nil).LocalRecord())[0], top)
			return err
		}, discv5.ErrTimeout},
		{"distance 257", func() error { _, _, err := a.QueryTopic(ctx, to, top, 257); return err }, codec.ErrDistance},
		{"too many distances", func() error {
			_, _, err := a.QueryTopic(ctx, to, top, make([]uint, codec.MaxTopicDistances+1)...)
			return err
		}, codec.ErrDistance},
		{"register with a record without an endpoint", func() error {
			_, err := loopbackNode(t, func(c *discv5.Config) { c.NoEndpoint = true }).RegisterTopic(ctx, to, top, nil)
			return err
		}, discv5.ErrNoEndpoint},
		{"ticket that does not fit", func() error {
			_, err := a.RegisterTopic(ctx, to, top, make([]byte, codec.MaxTicketSize+1))
			return err
		}, codec.ErrTicketSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.call(); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// Topics have one form as text, in JSON too.
func TestTopicText(t *testing.T) {
	top := discv5.TopicOf("test")
	digits := top.String()
	for _, s := range []string{digits, "0x" + digits, "0X" + strings.ToUpper(digits)} {
		if got, err := discv5.ParseTopic(s); err != nil || got != top {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "test", "0x", digits[1:], digits + "0", "x" + digits[1:], "0x0x" + digits[4:], " " + digits, "0x" + digits + "00"} {
		if got, err := discv5.ParseTopic(s); !errors.Is(err, topic.ErrParse) || got != (discv5.Topic{}) {
			t.Errorf("%q: %s, %v", s, got, err)
		}
	}
	var back map[discv5.Topic]discv5.Topic
	b, err := json.Marshal(map[discv5.Topic]discv5.Topic{top: top})
	if err != nil || string(b) != fmt.Sprintf("{%q:%q}", digits, digits) || json.Unmarshal(b, &back) != nil || back[top] != top {
		t.Errorf("%s, %v", b, err)
	}
}

// The record says that a node is a registrar when it is one, also after another life as the other.
func TestTopicCapability(t *testing.T) {
	key, err := enr.ParsePrivateKeyHex("0000000000000000000000000000000000000000000000000000000000000042")
	if err != nil {
		t.Fatal(err)
	}
	var last *enr.Record
	for i, registrar := range []bool{false, true, true, false} {
		n := loopbackNode(t, func(c *discv5.Config) {
			c.PrivateKey, c.Previous, c.Topics.Registrar = key, last, registrar
			if last != nil { // the same endpoint
				a, _ := last.UDPEndpoint4()
				c.Advertise = []netip.AddrPort{a}
			}
		})
		r := n.LocalRecord()
		n.Close()
		if r.SupportsTopics() != registrar {
			t.Errorf("life %d: the record says %v, want %v", i, r.SupportsTopics(), registrar)
		}
		if last != nil && (r.Seq() > last.Seq()) != (last.SupportsTopics() != registrar) {
			t.Errorf("life %d: sequence number %d after %d", i, r.Seq(), last.Seq())
		}
		last = r
	}
}

// Validate and New refuse the same values, whether or not the node is a registrar.
func TestTopicConfigLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*discv5.TopicConfig)
		good   bool
	}{
		{"zero", func(*discv5.TopicConfig) {}, true},
		{"most", func(c *discv5.TopicConfig) {
			c.Capacity, c.WaitScale, c.Window = topic.MaxCapacity, 1000, topic.MaxWindow
		}, true},
		{"least", func(c *discv5.TopicConfig) { c.Capacity, c.WaitScale, c.Slack = 1, 1e-9, -1 }, true},
		{"Capacity", func(c *discv5.TopicConfig) { c.Capacity = topic.MaxCapacity + 1 }, false},
		{"Capacity", func(c *discv5.TopicConfig) { c.Capacity = -1 }, false},
		{"WaitScale", func(c *discv5.TopicConfig) { c.WaitScale = -1 }, false},
		{"WaitScale", func(c *discv5.TopicConfig) { c.WaitScale = math.NaN() }, false},
		{"WaitScale", func(c *discv5.TopicConfig) { c.WaitScale = math.Inf(1) }, false},
		{"Window", func(c *discv5.TopicConfig) { c.Window = topic.MaxWindow + 1 }, false},
		{"Slack", func(c *discv5.TopicConfig) { c.Slack = time.Hour }, false},
	} {
		for _, registrar := range []bool{false, true} {
			cfg := discv5.Config{ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}
			cfg.Topics.Registrar = registrar
			c.change(&cfg.Topics)
			err := cfg.Validate()
			if (err == nil) != c.good || err != nil && (!errors.Is(err, discv5.ErrConfig) || !strings.Contains(err.Error(), "Topics.") || !strings.Contains(err.Error(), c.name)) {
				t.Errorf("%s %+v: %v", c.name, cfg.Topics, err)
			}
			if n, err := discv5.New(cfg); err == nil {
				n.Close()
				if !c.good {
					t.Errorf("%s %+v: New accepts it", c.name, cfg.Topics)
				}
			}
		}
	}
}

// Subscribers see the wait that a registrar quotes, and the registrar that does not answer.
func TestTopicEvents(t *testing.T) {
	full := loopbackNode(t, func(c *discv5.Config) { asRegistrar(c); c.Topics.Capacity = 1 })
	to, top := discv5.Contacts(full.LocalRecord())[0], discv5.TopicOf("test")
	if c, err := loopbackNode(t, nil).RegisterTopic(t.Context(), to, top, nil); err != nil || !c.Placed {
		t.Fatalf("%+v, %v", c, err)
	}
	a := loopbackNode(t, func(c *discv5.Config) {
		asRegistrar(c)
		c.Bootnodes = discv5.Contacts(full.LocalRecord())
	})
	events := a.Subscribe(16, discv5.EventTopicWaiting, discv5.EventTopicPlaced, discv5.EventTopicFailed)
	ad, err := a.AdvertiseTopic(t.Context(), top)
	if err != nil {
		t.Fatal(err)
	}
	defer ad.Stop()
	if e := <-events.C; e.Kind != discv5.EventTopicWaiting || e.ID != full.ID() || e.Topic != top || e.Wait <= 0 || e.Wait > topic.DefaultLifetime {
		t.Errorf("%+v", e)
	}
	if s := ad.Status(); s.Placed != 0 || s.Pending != 1 {
		t.Errorf("%+v", s)
	}
}

// An advertisement ends with its context, and a search when the loop is left.
func TestAdvertiseOverLoopback(t *testing.T) {
	registrar := loopbackNode(t, asRegistrar)
	withBoot := func(c *discv5.Config) {
		asRegistrar(c)
		c.Bootnodes = discv5.Contacts(registrar.LocalRecord())
	}
	a, b := loopbackNode(t, withBoot), loopbackNode(t, withBoot)
	top := discv5.TopicOf("test")
	ctx, cancel := context.WithCancel(t.Context())
	ad, err := a.AdvertiseTopic(ctx, top)
	if err != nil {
		t.Fatal(err)
	}
	placed := func() bool { s := ad.Status(); return s.Placed > 0 && !s.FirstPlaced.IsZero() && len(s.Buckets) > 0 }
	for end := time.Now().Add(2 * time.Minute); !placed(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("status %+v", ad.Status())
		}
	}
	for r, err := range b.SearchTopic(t.Context(), top) {
		if err != nil || r.ID() != a.ID() {
			t.Fatalf("found %v, %v", r, err)
		}
		break
	}
	cancel()
	ad.Stop()
}
