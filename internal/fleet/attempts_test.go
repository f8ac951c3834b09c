package fleet

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestReasonsAreBounded: the reasons of servers are one line of bounded length, however long and
// strange they are. Servers with the same reason share it, and a later one replaces the first.
func TestReasonsAreBounded(t *testing.T) {
	for _, test := range []struct {
		name string
		fail func(*attempts)
		want string // empty: any within the bound
	}{
		{"none", func(*attempts) {}, ""},
		{"one", func(a *attempts) { a.fail("a:1", "refused") }, "a:1: refused"},
		{"the same", func(a *attempts) { a.fail("a:1", "refused"); a.fail("b:1", "late"); a.fail("c:1", "refused") }, "a:1, c:1: refused; b:1: late"},
		{"a later one", func(a *attempts) { a.fail("a:1", "refused"); a.fail("a:1", "late") }, "a:1: late"},
		{"a connection", func(a *attempts) { a.fail("a:1", "refused"); a.forget(); a.fail("b:1", "late") }, "b:1: late"},
		{"many long ones", func(a *attempts) {
			for i := range 2 * MaxServers {
				a.fail(fmt.Sprintf("%s:%d", strings.Repeat("host", 60), i), bounded(strings.Repeat(fmt.Sprint(i), 500), maxReason))
			}
		}, ""},
		{"many with the same", func(a *attempts) {
			for i := range MaxServers {
				a.fail(fmt.Sprintf("%s:%d", strings.Repeat("host", 60), i), "refused")
			}
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var a attempts
			test.fail(&a)
			text := a.reasons()
			if test.want != "" && text != test.want || len(text) > maxReasons+3*maxReason || len(a.failed) > MaxServers {
				t.Errorf("%d bytes of %d servers: %s", len(text), len(a.failed), text)
			}
		})
	}
	var a attempts
	if !a.fail("a:1", "x") || a.fail("a:1", "y") {
		t.Error("the first failure of a server is not told from the second one")
	}
	if text := bounded("one\ntwo\x1b[2J\x00\u202e  three", 100); text != "one two [2J three" {
		t.Errorf("%q", text)
	}
}

// TestPause: attempts at several servers follow each other, and those at one server wait.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a attempts
		for _, host := range []string{"a:1", "b:1", "c:1"} {
			if d := a.pause(host); d != serverPause {
				t.Errorf("the first attempt at %s waits %v", host, d)
			}
		}
		for _, host := range []string{"a:1", "b:1"} {
			if d := a.pause(host); d < reconnectWait || d > reconnectWait+reconnectJitter {
				t.Errorf("the second attempt at %s waits %v", host, d)
			}
		}
		time.Sleep(2 * reconnectWait)
		if d := a.pause("a:1"); d != serverPause {
			t.Errorf("a server that was last tried long ago waits %v", d)
		}
	})
}

// TestDifferences: the settings of a bucket that lose or refuse entries are named.
func TestDifferences(t *testing.T) {
	b := Bucket{Name: "b", MaxBytes: 1000, MaxValue: 100, TTL: time.Hour}
	good := jetstream.StreamConfig{
		Replicas: 1, Storage: jetstream.FileStorage, MaxAge: time.Hour, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, MaxBytes: 1000, MaxMsgSize: 100,
	}
	for _, test := range []struct {
		name    string
		change  func(*jetstream.StreamConfig)
		cluster string
		want    string
	}{
		{"none", func(*jetstream.StreamConfig) {}, "", ""},
		{"more space", func(c *jetstream.StreamConfig) { c.MaxBytes, c.MaxMsgSize = -1, 4096 }, "", ""},
		{"replicas", func(*jetstream.StreamConfig) {}, "c", "replicas 1 instead of 3"},
		{"more replicas", func(c *jetstream.StreamConfig) { c.Replicas = 5 }, "c", ""},
		{"memory", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, "", "storage Memory instead of File"},
		{"life", func(c *jetstream.StreamConfig) { c.MaxAge = 0 }, "", "TTL without end instead of 1h0m0s"},
		{"history", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 }, "", "history 5 instead of 1"},
		{"discard", func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }, "", "discard DiscardOld instead of DiscardNew"},
		{"less space", func(c *jetstream.StreamConfig) { c.MaxBytes, c.MaxMsgSize = 10, 1 }, "", "bytes 10 instead of 1000, bytes of a value 1 instead of 100"},
	} {
		t.Run(test.name, func(t *testing.T) {
			info := &jetstream.StreamInfo{Config: good}
			test.change(&info.Config)
			if test.cluster != "" {
				info.Cluster = &jetstream.ClusterInfo{Name: test.cluster}
			}
			if got := strings.Join(b.differences(info), ", "); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// TestExplain: the error of a call that has timed out names the right that the member lacks.
func TestExplain(t *testing.T) {
	c, err := Open(Config{Servers: []string{"nats://127.0.0.1:9"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	timeout := fmt.Errorf("late")
	if got := c.explain(timeout); got.Error() != "late" {
		t.Errorf("without a denial: %v", got)
	}
	c.denial(fmt.Errorf("something else"))
	if got := c.explain(timeout); got.Error() != "late" {
		t.Errorf("after another error: %v", got)
	}
	c.denial(fmt.Errorf(`%w: Permissions Violation for Publish to "x"`, nats.ErrPermissionViolation))
	if got := c.explain(timeout); !strings.Contains(got.Error(), `Publish to "x"`) || !strings.Contains(got.Error(), "late") {
		t.Errorf("after a denial: %v", got)
	}
	if c.explain(nil) != nil {
		t.Error("a success has an error")
	}
	c.denied.at = time.Now().Add(-time.Hour)
	if got := c.explain(timeout); got.Error() != "late" {
		t.Errorf("long after a denial: %v", got)
	}
}
