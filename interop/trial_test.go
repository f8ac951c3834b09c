package interop

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	gethenr "github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/fastdisc/discv5/enr"
)

const (
	trialKind     = 4 // nodes of each implementation that belong to the network
	trialForeign  = 2 // nodes of each implementation that do not
	trialPatience = 3 * time.Minute
	// trialFirst is the time until the first fork, and trialBetween the time between the forks. A
	// machine on which everything takes longer sees less of the network before a fork, and no
	// failure.
	trialFirst   = 14 * time.Second
	trialBetween = 8 * time.Second // an epoch
	trialGrace   = 3 * time.Second
)

// TestTrial does what a new operator does: it unpacks a release, writes the configuration of a
// private consensus network with two forks to come, checks it, starts the bootnode, and looks at
// it. Nodes of go-ethereum and of Rust find each other through the bootnode before and after each
// fork. It neither keeps nor relays nodes of another network, those without the entry, and those
// that miss the forks; the record, the pages and the metrics follow the forks.
func TestTrial(t *testing.T) {
	t.Parallel() // it mostly waits
	release := unpackRelease(t)
	var kinds []*implementation
	// A subtest, so that a skip is visible and does not skip the rest.
	t.Run(rust.name, func(t *testing.T) {
		rust.require(t)
		kinds = append(kinds, rust)
	})
	if t.Failed() {
		return
	}

	begin := time.Now()
	chain := newTrialChain(begin.Add(trialFirst))
	config := chain.write(t, release)
	if out := release.run(t, "bootnode", "--config", config, "--check-config"); !strings.Contains(out, "settings are good") {
		t.Errorf("--check-config: %q", out)
	}
	started := chain.at(time.Now())
	boot := release.start(t, config)
	record := mustParse(t, boot.node.String())
	if got := digestOf(record); !slices.Contains(chain.digests[started:chain.at(time.Now())+1], got) {
		t.Errorf("the record has the digest %x", got)
	}
	eventually(t, trialPatience, time.Second, "health", func() (bool, string) {
		out, err := tool(commandTimeout, ".", filepath.Join(release.programs, "bootnode"), "health", "--config", config)
		return err == nil && out == "ok\n", fmt.Sprintf("%q, %v", out, err)
	})
	if out := release.run(t, "discv5", "ping", "--count", "1", "--timeout", "20", record.String()); !strings.Contains(out, "seq") {
		t.Errorf("ping: %q", out)
	}

	network := startTrialNetwork(t, kinds, chain, record)
	watched := network.watchRelay(t, record)
	members := network.members
	met := make(chan struct{})
	go func() { // as applications do from time to time, while the forks pass
		defer close(met)
		meet(members, mixedLookups)
	}()

	phase := func(name string, fork int) {
		start := time.Now()
		eventually(t, trialPatience, 300*time.Millisecond, name+": the record of the bootnode", func() (bool, string) {
			got := digestOf(boot.record(t))
			return got == chain.digest(fork) || chain.at(time.Now()) > fork, fmt.Sprintf("%x", got)
		})
		eventually(t, trialPatience, 300*time.Millisecond, name+": all nodes in the table", func() (bool, string) {
			seen, there := boot.forks(t), 0
			list := boot.table(t)
			for _, m := range members {
				if slices.Contains(list, m.record.ID()) {
					there++
				} else {
					// The bootnode may have asked for its record in vain while the machine stood
					// still.
					network.greet[m.record.ID()]()
				}
			}
			for _, id := range network.foreign {
				if slices.Contains(list, id) {
					t.Fatalf("%v, a node of another network, is in the table", id)
				}
			}
			return there == len(members) && seen.current() >= there && seen.refused() >= len(network.foreign), fmt.Sprintf("%d nodes, %+v", there, seen)
		})
		t.Logf("%s: %d nodes in the table after %v, at fork %d", name, len(members), time.Since(start).Round(time.Millisecond), chain.at(time.Now()))
	}
	phase("before the forks", 0)
	boot.checkPages(t, chain, len(members))
	for i, name := range []string{"first fork", "second fork"} {
		time.Sleep(time.Until(chain.forks[i+1]))
		phase(name, i+1)
	}
	eventually(t, trialPatience, 300*time.Millisecond, "nodes that missed the forks leave", func() (bool, string) {
		list := boot.table(t)
		return !slices.Contains(list, network.late), fmt.Sprintf("%d nodes", len(list))
	})
	boot.checkPages(t, chain, len(members))

	// Everybody finds everybody.
	<-met
	left := searches(members)
	eventually(t, trialPatience, 100*time.Millisecond, "lookups find all nodes", func() (bool, string) {
		var failures []string
		if left, failures = search(left, mixedLookups); len(left) > 0 {
			meet(members, mixedLookups)
		}
		return len(left) == 0, strings.Join(failures, "\n")
	})
	t.Logf("all lookups found their target after %v", time.Since(begin).Round(time.Second))
	eventually(t, trialPatience, 100*time.Millisecond, "nodes of the last fork relayed", func() (bool, string) {
		n := watched.count(chain.digest(2))
		return n > 0, fmt.Sprint(n)
	})
	watched.check(t, chain)

	seq := boot.record(t).Seq()
	boot.stop(t, syscall.SIGTERM)
	again := release.start(t, config)
	if again.node.ID() != boot.node.ID() || again.node.Seq() != seq {
		t.Errorf("after a restart %v with sequence number %d, was %v with %d", again.node.ID(), again.node.Seq(), boot.node.ID(), seq)
	}
}

// trialNetwork is the nodes around the bootnode.
type trialNetwork struct {
	members []member
	greet   map[enr.ID]func() // sends PING from a member to the bootnode
	foreign []enr.ID          // nodes that the bootnode refuses
	late    enr.ID            // a node of the network that misses the forks
}

// startTrialNetwork starts nodes that know the bootnode only.
func startTrialNetwork(t *testing.T, kinds []*implementation, chain *trialChain, boot *enr.Record) *trialNetwork {
	t.Helper()
	n := &trialNetwork{greet: make(map[enr.ID]func())}
	stopped := make(chan struct{})
	var following sync.WaitGroup
	t.Cleanup(func() { close(stopped); following.Wait() })
	bootNode := enode.MustParse(boot.String())
	foreignEntry := eth2Entry([4]byte{0xde, 0xad, 0xbe, 0xef})

	geth := func(entry []byte) (*peer, *enode.LocalNode) {
		var ln *enode.LocalNode
		p := startPeer(t, peerConfig{
			addr: netip.AddrPortFrom(loopback4, 0), bootnodes: []*enode.Node{bootNode}, pingInterval: swarmPingInterval, timeout: responseTimeout,
			record: func(l *enode.LocalNode) {
				if ln = l; entry != nil {
					l.Set(gethenr.WithEntry("eth2", entry))
				}
			},
		})
		return p, ln
	}
	for range trialKind {
		p, ln := geth(eth2Entry(chain.digest(chain.at(time.Now()))))
		greet := func() { _, _ = p.Ping(bootNode) }
		n.members = append(n.members, p.member(t))
		n.greet[enr.ID(p.Self().ID())] = greet
		following.Go(func() {
			chain.follow(stopped, func(digest [4]byte) {
				ln.Set(gethenr.WithEntry("eth2", eth2Entry(digest)))
				greet() // the bootnode learns of the newer record
			})
		})
	}
	for _, entry := range [][]byte{foreignEntry, foreignEntry, nil} {
		p, _ := geth(entry)
		n.foreign = append(n.foreign, enr.ID(p.Self().ID()))
	}
	late, _ := geth(eth2Entry(chain.digest(0)))
	n.late = enr.ID(late.Self().ID())

	if len(kinds) == 0 {
		return n
	}
	drivers := make([]*driver, trialKind+trialForeign)
	for i := range drivers {
		drivers[i] = newDriver(t, kinds[0], loopback4)
	}
	var starting sync.WaitGroup
	for i, d := range drivers {
		entry := foreignEntry
		if i < trialKind {
			entry = eth2Entry(chain.digest(chain.at(time.Now())))
		}
		starting.Go(func() {
			r, err := enr.NewBuilder().SetSeq(1).SetIP(d.addr.Addr()).SetUDP(d.addr.Port()).SetBytes("eth2", entry).Sign(d.key)
			if err == nil {
				err = d.run(r)
			}
			if err == nil {
				err = d.add(boot)
			}
			if err == nil {
				err = patiently(t, func() error { _, _, err := d.ping(boot); return err })
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, d := range drivers[:trialKind] {
		greet := func() { _, _, _ = d.ping(boot) }
		n.greet[d.key.ID()] = greet
		n.members = append(n.members, member{rust.name, d.record(t), func(target enr.ID) ([]enr.ID, error) {
			found, err := d.lookup(target)
			return idsOf(found), err
		}})
		following.Go(func() {
			chain.follow(stopped, func(digest [4]byte) {
				_, _ = d.call(commandTimeout, "update", parameters{"field": "eth2", "hex": hex.EncodeToString(eth2Entry(digest))})
				greet()
			})
		})
	}
	for _, d := range drivers[trialKind:] {
		n.foreign = append(n.foreign, d.key.ID())
	}
	return n
}

// relayed is what the bootnode has relayed to a node that is of no network.
type relayed struct {
	stop func()

	mu      sync.Mutex
	digests map[[4]byte]int
}

// watchRelay asks the bootnode for all distances, again and again, until the check.
func (n *trialNetwork) watchRelay(t *testing.T, boot *enr.Record) *relayed {
	t.Helper()
	w := &relayed{digests: make(map[[4]byte]int)}
	probe := startOwn(t, loopback4)
	stopped := make(chan struct{})
	var asking sync.WaitGroup
	w.stop = sync.OnceFunc(func() { close(stopped); asking.Wait() })
	t.Cleanup(w.stop)
	asking.Go(func() {
		for {
			for _, distances := range [][]uint{{256}, {255}, {254}, {253, 252, 251}} {
				list, err := probe.findNode(boot, distances...)
				if err != nil {
					continue // the machine is busy, or the bootnode has ended
				}
				w.mu.Lock()
				for _, r := range list {
					w.digests[digestOf(r)]++
				}
				w.mu.Unlock()
			}
			select {
			case <-stopped:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	return w
}

// count returns how many records with a digest the bootnode has relayed.
func (w *relayed) count(digest [4]byte) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.digests[digest]
}

// check fails the test if the bootnode has relayed a node of another network.
func (w *relayed) check(t *testing.T, chain *trialChain) {
	t.Helper()
	w.stop()
	for digest, n := range w.digests {
		t.Logf("%d records with the digest %x were relayed", n, digest)
		if !chain.has(digest) {
			t.Errorf("the digest %x is of another network", digest)
		}
	}
}

// trialBootnode is a bootnode of a release.
type trialBootnode struct {
	*bootnode
}

// release is an unpacked release.
type release struct{ programs string }

// unpackRelease unpacks the archive or the .deb that releaseEnv names. Without one it takes
// programs of this source.
func unpackRelease(t *testing.T) release {
	t.Helper()
	path := os.Getenv(releaseEnv)
	if path == "" {
		boot, err := bootnodeBinary()
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(boot)
		if _, err := goCommand("..", "build", "-o", filepath.Join(dir, "discv5"), "./cmd/discv5"); err != nil {
			t.Fatal(err)
		}
		t.Logf("programs of this source; %s names a release", releaseEnv)
		return release{dir}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	command := exec.Command("tar", "-xzf", path, "-C", dir)
	if strings.HasSuffix(path, ".deb") {
		command = exec.Command("dpkg-deb", "-x", path, dir)
	}
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", path, err, out)
	}
	programs := dir
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() == "bootnode" && filepath.Base(filepath.Dir(path)) != "completions" {
			if info, err := e.Info(); err == nil && info.Mode()&0o111 != 0 {
				programs = filepath.Dir(path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return release{programs}
}

// releaseEnv names an archive or a .deb for TestTrial.
const releaseEnv = "DISCV5_RELEASE"

// run runs a program of the release and returns its output.
func (r release) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := tool(commandTimeout, ".", filepath.Join(r.programs, name), args...)
	if err != nil {
		t.Errorf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out
}

// start starts the bootnode of the release.
func (r release) start(t *testing.T, config string) *trialBootnode {
	t.Helper()
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	address := func(name string) netip.AddrPort {
		addr, err := netip.ParseAddrPort(strings.Trim(field(string(text), name+" = "), `["]`))
		if err != nil {
			t.Fatal(err)
		}
		return addr
	}
	cfg := bootConfig{config: config, addr: address("addr"), metrics: address("http")}
	return &trialBootnode{startBootnodeAt(t, filepath.Join(r.programs, "bootnode"), cfg)}
}

// page returns a page of the bootnode.
func (b *trialBootnode) page(t *testing.T, path string) string {
	t.Helper()
	body, err := httpGet(t.Context(), b.metrics, path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func (b *trialBootnode) json(t *testing.T, path string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(b.page(t, path)), v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// record returns the record that the bootnode has now.
func (b *trialBootnode) record(t *testing.T) *enr.Record {
	t.Helper()
	return mustParse(t, strings.TrimSpace(b.page(t, "/enr")))
}

// table returns the nodes of the table.
func (b *trialBootnode) table(t *testing.T) (ids []enr.ID) {
	t.Helper()
	var v struct{ Nodes []struct{ Record string } }
	b.json(t, "/nodes", &v)
	for _, n := range v.Nodes {
		ids = append(ids, mustParse(t, n.Record).ID())
	}
	return ids
}

// trialForks is /forks.
type trialForks struct {
	Current struct{ Digest string }
	Table   []trialCount
	Refused []trialCount
}

type trialCount struct {
	Name, Digest, Match string
	Nodes               int
}

func (b *trialBootnode) forks(t *testing.T) (v trialForks) {
	t.Helper()
	b.json(t, "/forks", &v)
	return v
}

// current returns how many nodes of the table are at the fork in force.
func (f trialForks) current() (n int) {
	for _, c := range f.Table {
		if c.Match == "current" {
			n += c.Nodes
		}
	}
	return n
}

// refused returns how many refused nodes are of another network.
func (f trialForks) refused() (n int) {
	for _, c := range f.Refused {
		if c.Match == "foreign" || c.Match == "absent" {
			n += c.Nodes
		}
	}
	return n
}

// checkPages checks that the status page and its figures show the table by fork.
func (b *trialBootnode) checkPages(t *testing.T, chain *trialChain, members int) {
	t.Helper()
	eventually(t, trialPatience, 500*time.Millisecond, "the table by fork on the page", func() (bool, string) {
		fork := chain.at(time.Now())
		var v struct {
			Table struct {
				Members int
				Forks   []trialCount
			}
			Forks struct {
				Current      struct{ Name string }
				RefusedNodes int `json:"refused_nodes"`
			}
		}
		b.json(t, "/status", &v)
		name := chain.names[fork]
		at := slices.IndexFunc(v.Table.Forks, func(c trialCount) bool { return strings.Contains(c.Name, name) })
		page := b.page(t, "/")
		good := at >= 0 && v.Table.Forks[at].Nodes >= members && v.Forks.Current.Name == name && v.Forks.RefusedNodes > 0 &&
			strings.Contains(page, "<b>"+name+"</b>") && strings.Contains(page, "0xdeadbeef, foreign")
		return good, fmt.Sprintf("%+v, want %d nodes of %s", v, members, name)
	})
}
