package bootnode

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/test/fleet/internal/natstest"
)

// member is a bootnode of a fleet.
type member struct {
	name    string
	at      natstest.Place
	addr    netip.AddrPort
	web     string // host:port of --http
	metrics string
	dir     string
	args    []string
	environ []string
	p       *proctest.Process
}

// newMember returns a bootnode with the given flags beside those that all have.
func newMember(t testing.TB, name, servers string, args ...string) *member {
	t.Helper()
	return newMemberAt(t, natstest.Loopback, name, servers, args...)
}

func newMemberAt(t testing.TB, at natstest.Place, name, servers string, args ...string) *member {
	t.Helper()
	m := &member{name: name, at: at, dir: t.TempDir()}
	m.addr = netip.AddrPortFrom(at.Addr, proctest.FreePort(t, "udp", natstest.Loopback.Addr).Port())
	m.web, m.metrics = fmt.Sprintf("%v:%d", at.Addr, natstest.FreePort(t)), fmt.Sprintf("%v:%d", at.Addr, natstest.FreePort(t))
	m.args = append([]string{
		"--addr", m.addr.String(), "--datadir", m.dir, "--http", m.web, "--metrics", m.metrics, "--fleet", servers, "--fleet-name", name,
		"--save-interval", "1s",
	}, args...)
	return m
}

func (m *member) start(t testing.TB) *member {
	t.Helper()
	cmd := m.at.Command(exec.Command(program, m.args...))
	cmd.Env = append(os.Environ(), m.environ...)
	m.p = proctest.Start(t, cmd, proctest.Options{})
	return m
}

// get returns a page, or "" if nobody answers.
func get(url string) (body string, code int) {
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + url)
	if err != nil {
		return "", 0
	}
	defer r.Body.Close()
	b, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return "", 0
	}
	return string(b), r.StatusCode
}

// metric returns a metric by its name with labels, -1 if it is not there.
func (m *member) metric(t testing.TB, name string) float64 {
	t.Helper()
	page, code := get(m.metrics + "/metrics")
	if code != http.StatusOK {
		return -1
	}
	values, err := proctest.Metrics(page)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := values["discv5_"+name]; ok {
		return v
	}
	return -1
}

// knows returns the IDs of the nodes in the table that have answered.
func (m *member) knows(t testing.TB) map[string]bool {
	t.Helper()
	body, _ := get(m.web + "/nodes")
	var view struct {
		Nodes []struct{ ID, State string }
	}
	_ = json.Unmarshal([]byte(body), &view) // an empty page while the bootnode starts
	known := make(map[string]bool)
	for _, n := range view.Nodes {
		if n.State != "replacement" {
			known[n.ID] = true
		}
	}
	return known
}

func newKey(t testing.TB) *enr.PrivateKey {
	t.Helper()
	key, err := enr.GenerateKey(crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// keyFile writes a key for --nodekey.
func keyFile(t testing.TB, key *enr.PrivateKey) string {
	t.Helper()
	scalar := key.Bytes()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(hex.EncodeToString(scalar[:])), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sign returns a record of a node at an address.
func sign(t testing.TB, key *enr.PrivateKey, seq uint64, at netip.AddrPort) *enr.Record {
	t.Helper()
	r, err := enr.NewBuilder().SetSeq(seq).SetIP(at.Addr()).SetUDP(at.Port()).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// start starts a node in this process.
func startNode(t testing.TB, change func(*discv5.Config)) *discv5.Node {
	t.Helper()
	cfg := discv5.Config{
		ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Sockets: 1, RecvBuffer: 64 << 10, SendBuffer: 64 << 10,
		MaxSessions: 256, MaxChallenges: 256, RequestTimeout: 5 * time.Second, DisableGSO: true,
	}
	if change != nil {
		change(&cfg)
	}
	n, err := discv5.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return n
}

// prober pings the bootnodes of an identity all the time, each at its own address, and notes who
// answers.
type prober struct {
	nodes   []*discv5.Node // one for each address, so that none has a session with another
	stop    context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	last     []time.Time // when the last answer came
	asked    []time.Time // when the PING of that answer was sent
	answers  []int
	seq      uint64 // highest sequence number in a PONG
	failures []string
}

// probe begins to ping the node of a key at addresses. Two answers in turn are a failure: after a
// bootnode has answered, no other one may answer a PING that was sent before, and the sequence
// number must not fall.
func probe(t testing.TB, key *enr.PrivateKey, at ...netip.AddrPort) *prober {
	t.Helper()
	p := &prober{last: make([]time.Time, len(at)), asked: make([]time.Time, len(at)), answers: make([]int, len(at))}
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	holder := -1
	left := make([]bool, len(at)) // had answered, and then another one did
	for i, addr := range at {
		n := startNode(t, func(c *discv5.Config) {
			c.RequestTimeout = 400 * time.Millisecond // as the next PING follows
			if c.DetectAddress = -1; !addr.Addr().IsLoopback() {
				c.ListenAddrs = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0")}
			}
		})
		p.nodes = append(p.nodes, n)
		// A record of our own making: the prober need not know what the bootnode says of itself.
		contact := discv5.ContactOf(sign(t, key, 1, addr))
		p.running.Go(func() {
			for ctx.Err() == nil {
				asked := time.Now()
				pong, err := n.Ping(ctx, contact)
				if err == nil {
					p.mu.Lock()
					p.last[i], p.asked[i] = time.Now(), asked
					p.answers[i]++
					if pong.RecordSeq < p.seq {
						p.failures = append(p.failures, fmt.Sprintf("%v answers with sequence number %d, after %d", addr, pong.RecordSeq, p.seq))
					}
					p.seq = max(p.seq, pong.RecordSeq)
					if holder != i {
						for j := range at {
							if j != i && p.asked[j].After(asked) {
								p.failures = append(p.failures, fmt.Sprintf("%v answers a PING that was sent before one that %v has answered", addr, at[j]))
							}
						}
						if holder >= 0 {
							left[holder] = true
						}
						holder = i
					}
					p.mu.Unlock()
				}
				pause := 25 * time.Millisecond
				if errors.Is(err, discv5.ErrTimeout) {
					pause = 0
				}
				time.Sleep(pause)
			}
		})
	}
	t.Cleanup(p.end)
	return p
}

func (p *prober) end() {
	p.stop()
	p.running.Wait()
}

// check fails the test if two bootnodes have answered.
func (p *prober) check(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.failures {
		t.Error(f)
	}
	p.failures = nil
}

// waitFor waits until a bootnode answers a PING that was sent after a moment, and returns when the
// answer came.
func (p *prober) waitFor(t testing.TB, i int, after time.Time) (at time.Time) {
	t.Helper()
	for end := time.Now().Add(proctest.Patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		at = p.last[i]
		done := p.asked[i].After(after)
		p.mu.Unlock()
		if done {
			return at
		}
	}
	t.Fatalf("bootnode %d does not answer", i)
	return at
}

// count returns the number of answers of a bootnode.
func (p *prober) count(i int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers[i]
}

// proxy is a way from a bootnode to a server that can be cut.
type proxy struct {
	l    net.Listener
	mu   sync.Mutex
	cut  bool
	open map[net.Conn]bool
}

func startProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, open: make(map[net.Conn]bool)}
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		for c := range p.open {
			c.Close()
		}
	})
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.open[in], p.open[out] = true, true
			p.mu.Unlock()
			go p.pass(in, out)
			go p.pass(out, in)
		}
	}()
	return p
}

// pass copies until an end closes. While the proxy is cut, it keeps what arrives: a partition loses
// nothing of a TCP connection, and what was sent before it ends arrives after it.
func (p *proxy) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		for n > 0 && p.isCut() {
			time.Sleep(5 * time.Millisecond)
		}
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) isCut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut
}

func (p *proxy) set(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
}

// proxies returns proxies to all servers of a cluster and their URLs.
func proxies(t testing.TB, c *natstest.Cluster) (list []*proxy, urls string) {
	t.Helper()
	var all []string
	for _, s := range c.Servers {
		p := startProxy(t, s.Address())
		list = append(list, p)
		all = append(all, "nats://"+p.l.Addr().String())
	}
	return list, strings.Join(all, ",")
}
