package discv5

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/limits"
)

// lines is a slog.Handler that keeps what it is given.
type lines struct {
	level slog.Level
	mu    sync.Mutex
	list  []slog.Record
	block chan struct{} // if not nil, Handle waits for it
}

func (l *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *lines) WithGroup(string) slog.Handler                    { return l }
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	if l.block != nil {
		<-l.block
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, r)
	return nil
}

// texts are the messages so far, each with its attributes.
func (l *lines) texts() (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.list {
		s := r.Level.String() + " " + r.Message
		r.Attrs(func(a slog.Attr) bool { s += " " + a.String(); return true })
		list = append(list, s)
	}
	return list
}

// count returns how many lines begin so.
func (l *lines) count(prefix string) (n int) {
	for _, s := range l.texts() {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

// A node that stays alone says why, less and less often, and says when that is over. Peers are
// named at the level Debug alone.
func TestLoggerTellsWhyNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		var info, debug lines
		debug.level = slog.LevelDebug
		boot := onWire(t, w, 1, nil)
		record := boot.LocalRecord()
		key := boot.cfg.PrivateKey
		boot.Close()
		n := onWire(t, w, 2, func(c *Config) { c.Bootnodes, c.Logger = Contacts(record), slog.New(&info) })
		quiet := onWire(t, w, 3, func(c *Config) { c.Bootnodes, c.Logger = Contacts(record), slog.New(&debug) })
		defer n.Close()
		defer quiet.Close()
		time.Sleep(9 * time.Second)
		if c := info.count("WARN no node answers"); c != 0 || info.count("INFO node started") != 1 {
			t.Errorf("after 9 s: %q", info.texts())
		}
		time.Sleep(2 * time.Second)
		all := strings.Join(info.texts(), "\n")
		if info.count("WARN no node answers") != 1 || !strings.Contains(all, record.ID().Short()) || !strings.Contains(all, ErrTimeout.Error()) || !strings.Contains(all, ErrNothingReceived.Error()) {
			t.Errorf("after 11 s: %q", info.texts())
		}
		time.Sleep(time.Hour)
		if c := info.count("WARN no node answers"); c < 4 || c > 6 {
			t.Errorf("said %d times in an hour", c)
		}
		if debug.count("DEBUG bootnode failed") == 0 || info.count("DEBUG") != 0 {
			t.Errorf("at Debug: %q", debug.texts())
		}
		boot = onWire(t, w, 1, func(c *Config) { c.PrivateKey, c.Previous = key, record })
		defer boot.Close()
		time.Sleep(2 * diagnoseMost)
		if info.count("INFO nodes answer") != 1 || debug.count("DEBUG session established") == 0 {
			t.Errorf("when it is over: %q", info.texts()[len(info.texts())-1:])
		}
		silent := info.count("WARN no node answers")
		time.Sleep(time.Hour)
		if info.count("WARN no node answers") != silent {
			t.Error("complains although nodes answer")
		}
		n.Close()
		synctest.Wait()
		if got := info.texts(); got[len(got)-1] != "INFO node closed" {
			t.Errorf("the last line is %q", got[len(got)-1])
		}
	})
}

// A logger that blocks holds up neither the node nor Close. The node counts the lines that it
// misses.
func TestLoggerMayBlock(t *testing.T) {
	log := &lines{level: slog.LevelDebug, block: make(chan struct{})}
	n := loopback(t, "127.0.0.1:0", func(c *Config) { c.Logger = slog.New(log) })
	peer := loopback(t, "127.0.0.1:0", nil)
	for range 2 * logQueue {
		n.Ban(limits.AddrTarget(netip.MustParseAddr("192.0.2.1")), 0)
	}
	if _, err := n.Ping(within(t), contact(peer)); err != nil {
		t.Error(err)
	}
	closed := make(chan struct{})
	go func() { n.Close(); close(closed) }()
	select {
	case <-closed:
	case <-within(t).Done():
		t.Fatal("Close waits for the logger")
	}
	close(log.block)
	eventually(t, "lost lines are counted", func() bool { return log.count("WARN log lines lost") > 0 })
	if c := log.count("INFO banned"); c == 0 || c > 2*logQueue {
		t.Errorf("%d lines of bans", c)
	}
}

// The node logs failures of the program's functions without a stack trace, and a logger that closes
// the node is not dangerous.
func TestLoggerOfFailures(t *testing.T) {
	log := new(lines)
	full := errors.New("disk full")
	n := loopback(t, "127.0.0.1:0", func(c *Config) {
		c.Logger, c.SaveRecord = slog.New(log), func(*enr.Record) error { return full }
	})
	n.HandleTalk("bad", func(context.Context, TalkRequest) []byte { panic("a mistake") })
	peer := loopback(t, "127.0.0.1:0", nil)
	if _, err := peer.Talk(within(t), contact(n), "bad", nil); err != nil {
		t.Error(err)
	}
	if err := n.UpdateRecord(func(b *enr.Builder) { b.SetUint("x", 1) }); !errors.Is(err, ErrRecord) {
		t.Errorf("UpdateRecord: %v", err)
	}
	eventually(t, "both are logged", func() bool {
		return log.count("ERROR a TALK handler has panicked protocol=bad panic=a mistake") == 1 && log.count("ERROR the local record cannot be saved") == 1
	})
	for _, s := range log.texts() {
		if strings.Contains(s, "goroutine") || strings.Contains(s, "\n") {
			t.Errorf("a line with a stack trace: %q", s)
		}
	}
	var closing *Node
	ready := make(chan struct{})
	handler := &closer{do: func() { <-ready; closing.Close() }}
	closing = loopback(t, "127.0.0.1:0", func(c *Config) { c.Logger = slog.New(handler) })
	close(ready)
	select {
	case <-closing.Done():
	case <-within(t).Done():
		t.Error("a handler could not close its node")
	}
}

// closer is a slog.Handler that calls a function for each line.
type closer struct {
	lines
	do func()
}

func (c *closer) Handle(context.Context, slog.Record) error { c.do(); return nil }

// Diagnose names the reason why a node is alone.
func TestDiagnose(t *testing.T) {
	far := netip.MustParseAddrPort("10.0.99.1:9000")
	key, err := enr.ParsePrivateKey(append(make([]byte, 31), 3))
	if err != nil {
		t.Fatal(err)
	}
	sign := func(b *enr.Builder) *enr.Record {
		r, err := b.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	v6, err := enr.NewBuilder().SetIP(netip.MustParseAddr("2001:db8::1")).SetUDP6(9).Sign(keysAt(t, key.ID(), 256, 1)[0])
	if err != nil {
		t.Fatal(err)
	}
	gone := sign(enr.NewBuilder().SetIP(far.Addr()).SetUDP(far.Port()))
	for _, c := range []struct {
		name   string
		change func(*Config, *Node) // of the node that is alone; the other one is its bootnode
		peer   func(*Config)
		want   []error
	}{
		{"no bootnode", func(c *Config, _ *Node) { c.Bootnodes = nil }, nil, []error{ErrNoNodes}},
		{"a bootnode that is gone", func(c *Config, _ *Node) { c.Bootnodes = Contacts(gone) }, nil, []error{ErrTimeout, ErrNothingReceived}},
		{"a bootnode of the other family", func(c *Config, _ *Node) {
			c.Bootnodes = Contacts(v6, gone)
		}, nil, []error{ErrNoEndpoint, ErrTimeout}},
		{"a bootnode that is this node", func(c *Config, _ *Node) {
			c.PrivateKey, c.Bootnodes = key, Contacts(gone)
		}, nil, []error{ErrSelf}},
		{"a bootnode that is banned", func(c *Config, boot *Node) {
			c.Access = limits.NewAccess(0)
			c.Access.Ban(limits.NodeTarget([32]byte(boot.ID())), limits.Forever)
		}, nil, []error{ErrBanned}},
		{"a bootnode outside of the allowed networks", func(c *Config, _ *Node) {
			c.Access = limits.NewAccess(0)
			c.Access.Restrict([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
		}, nil, []error{ErrRestricted}},
		{"another network", func(c *Config, _ *Node) { c.Protocol = codec.Protocol{ID: [6]byte{1}, Version: 1} }, nil, []error{ErrTimeout}},
		{"a filter that refuses all", func(c *Config, _ *Node) { c.TableFilter = func(*enr.Record) bool { return false } }, nil, []error{ErrFiltered}},
		{"a bootnode that answers", func(*Config, *Node) {}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				boot := onWire(t, w, 1, c.peer)
				defer boot.Close()
				n := onWire(t, w, 2, func(cfg *Config) {
					cfg.Bootnodes = Contacts(boot.LocalRecord())
					c.change(cfg, boot)
				})
				defer n.Close()
				time.Sleep(20 * time.Second)
				d := n.Diagnose()
				for _, want := range c.want {
					if !slices.ContainsFunc(d.Reasons, func(err error) bool { return errors.Is(err, want) }) {
						t.Errorf("%v is not among %v", want, d.Reasons)
					}
				}
				if (len(c.want) == 0) != (len(d.Reasons) == 0) || (d.Live > 0) != (len(c.want) == 0) {
					t.Errorf("%d live nodes, reasons %v", d.Live, d.Reasons)
				}
				for _, err := range d.Reasons {
					if strings.Contains(err.Error(), "\n") {
						t.Errorf("a reason of several lines: %q", err)
					}
				}
			})
		})
	}
	n, err := New(Config{Conns: []fastpath.Conn{newWire().Conn(far)}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if d := n.Diagnose(); !errors.Is(errors.Join(d.Reasons...), ErrNotStarted) {
		t.Errorf("before Start: %v", d.Reasons)
	}
}
