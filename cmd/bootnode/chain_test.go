package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/forks"
	"github.com/fastdisc/discv5/internal/cli"
)

// chainFile returns a config.yaml whose epochs take a second. Fulu begins at an epoch, and a fork
// of blob parameters three epochs later.
func chainFile(t *testing.T, fulu uint64) string {
	return write(t, fmt.Sprintf(`
PRESET_BASE: minimal
CONFIG_NAME: 'devnet'
SLOTS_PER_EPOCH: 1
SECONDS_PER_SLOT: 1
MIN_GENESIS_TIME: 1
GENESIS_FORK_VERSION: 0x10000001
ELECTRA_FORK_VERSION: 0x60000001
ELECTRA_FORK_EPOCH: 0
FULU_FORK_VERSION: 0x70000001
FULU_FORK_EPOCH: %d
BLOB_SCHEDULE: [{EPOCH: %d, MAX_BLOBS_PER_BLOCK: 12}]
`, fulu, fulu+3), 0o600)
}

const testRoot = "0x0102030405060708091011121314151617181920212223242526272829303132"

// testChain returns the flags of a chain, and the chain.
func testChain(t *testing.T, fulu uint64, genesis time.Time) ([]string, forks.Chain) {
	t.Helper()
	args := []string{
		"--chain-config", chainFile(t, fulu), "--genesis-validators-root", testRoot,
		"--genesis-time", strconv.FormatInt(genesis.Unix(), 10), "--fork-grace", "2s",
	}
	return args, mustLoad(t, args, nil).net.chain
}

func (p *process) identity(t *testing.T) *enr.Record {
	t.Helper()
	_, body := p.get(t, "/eth/v1/node/identity")
	var v identityView
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	r, err := enr.ParseText(v.Data.ENR)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (p *process) forks(t *testing.T) (v forksView) {
	t.Helper()
	if code, body := p.get(t, "/forks"); code != http.StatusOK {
		t.Fatalf("/forks: %d %s", code, body)
	} else if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRecordSwitchesAtFork runs a bootnode through two forks: its record names each of them, and a
// restart afterwards does not change it.
func TestRecordSwitchesAtFork(t *testing.T) {
	t.Parallel()
	genesis := time.Now()
	args, chain := testChain(t, 8, genesis)
	dir := t.TempDir()
	args = append(args, "--http", anyPort, "--enr", "client=test,1", "--enr", "cgc=4", "--extip", "198.18.0.1:9000")
	p := start(t, dir, args...)
	digest := func(r *enr.Record) string {
		e, ok := r.View().Eth2()
		if !ok {
			t.Fatalf("record without eth2: %v", r)
		}
		return forks.NameOf(chain, e.ForkDigest)
	}
	if time.Since(genesis) < 7*time.Second && digest(p.record) != "electra" {
		t.Errorf("fork at the start: %s", digest(p.record))
	}
	if n, ok := p.record.View().CustodyGroupCount(); !ok || n != 4 {
		t.Errorf("custody groups: %d", n)
	}
	if c, ok := p.record.View().Client(); !ok || c.String() != "test/1" {
		t.Errorf("client: %v", c)
	}
	var last *enr.Record
	eventually(t, "the last fork", func() bool { last = p.identity(t); return digest(last) == "bpo1" })
	if since := time.Since(genesis); since < 10*time.Second {
		t.Errorf("the last fork after %v", since)
	}
	// A bootnode that takes longer than 11 seconds for its start begins with the last fork.
	if last.Seq() <= p.record.Seq() && digest(p.record) != "bpo1" {
		t.Errorf("sequence number %d after %d", last.Seq(), p.record.Seq())
	}
	if v := p.forks(t); v.Current.Name != "bpo1" || v.Next != nil || len(v.Forks) != 3 || v.Network != "devnet" || v.Serve != serveNetwork {
		t.Errorf("/forks: %+v", v)
	}
	if n := p.metric(t, `discv5_fork_info{chain="devnet",fork="`+chain.Forks()[2].Digest.String()+`",layer="consensus",name="bpo1"}`); n != 1 {
		t.Errorf("fork_info: %v", n)
	}
	p.stop(t)
	p = start(t, dir, args...)
	if p.record.String() != last.String() {
		t.Errorf("a restart changes the record: %v, %v", p.record, last)
	}
	p.stop(t)
	// Entries that the settings do not name leave the record.
	p = start(t, dir, "--extip", "198.18.0.1:9000")
	if _, ok := p.record.View().Eth2(); ok || p.record.Seq() <= last.Seq() {
		t.Error("the entries of the last run stay")
	}
	p.stop(t)
}

// TestServeNetwork: a bootnode keeps and relays nodes of its network only. It answers the others,
// counts them, and queries them.
func TestServeNetwork(t *testing.T) {
	t.Parallel()
	genesis := time.Now().Add(-time.Hour)
	args, chain := testChain(t, forks.FarFuture, genesis)
	current := "eth2=" + chain.Forks()[0].Digest.String()
	boot := start(t, t.TempDir(), append(args, "--http", anyPort)...)
	all := start(t, t.TempDir(), append(args, "--http", anyPort, "--serve", serveAll)...)
	to := []string{"--http", anyPort, "--bootnodes", boot.record.String() + "," + all.record.String()}
	ours := start(t, t.TempDir(), append(to, "--enr", current)...)
	other := start(t, t.TempDir(), append(to, "--enr", "eth2=0x01020304")...)
	none := start(t, t.TempDir(), to...)

	eventually(t, "the node of the network in the table", func() bool { return boot.metric(t, "discv5_table_live_nodes") >= 1 })
	// The bootnode of the network may be one of them.
	eventually(t, "all nodes in the table of the bootnode for all", func() bool {
		return all.metric(t, "discv5_table_live_nodes") >= 3 && len(all.forks(t).Table) == 3
	})
	refused := func(fork, match string) float64 {
		_, page := boot.get(t, "/metrics")
		for line := range strings.Lines(page) {
			if v, ok := strings.CutPrefix(line, `discv5_refused_fork_nodes{fork="`+fork+`",match="`+match+`"} `); ok {
				n, _ := strconv.ParseFloat(strings.TrimSpace(v), 64)
				return n
			}
		}
		return 0
	}
	eventually(t, "the others are counted", func() bool { return refused("other", "foreign") >= 1 && refused("none", "absent") >= 1 })
	// The others find nodes by way of the bootnode.
	eventually(t, "a node of another network is answered", func() bool { return other.metric(t, "discv5_table_live_nodes") >= 2 })

	members := func(p *process) (ids []string) {
		_, body := p.get(t, "/nodes")
		var v nodesView
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		for _, n := range v.Nodes {
			ids = append(ids, n.ID+" "+n.Fork)
		}
		return ids
	}
	for _, m := range members(boot) {
		if !strings.HasPrefix(m, ours.record.ID().String()) && !strings.HasPrefix(m, all.record.ID().String()) || !strings.HasSuffix(m, " electra") {
			t.Errorf("in the table: %s", m)
		}
	}
	v := boot.forks(t)
	if len(v.Table) != 1 || v.Table[0].Match != "current" || len(v.Refused) < 2 {
		t.Errorf("/forks: %+v", v)
	}
	seen := false
	for _, r := range v.Refused {
		seen = seen || r.Digest == "0x01020304" && r.Match == "foreign"
	}
	if !seen {
		t.Errorf("refused: %+v", v.Refused)
	}
	if v := all.forks(t); len(v.Table) != 3 || len(v.Refused) != 0 || v.Serve != serveAll {
		t.Errorf("/forks of the bootnode for all: %+v", v)
	}
	for _, p := range []*process{boot, all, ours, other, none} {
		p.stop(t)
	}
}

// TestOldForkLeavesTable: nodes that stay at the old fork are members until the grace period ends.
func TestOldForkLeavesTable(t *testing.T) {
	t.Parallel()
	genesis := time.Now()
	args, chain := testChain(t, 10, genesis)
	boot := start(t, t.TempDir(), append(args, "--http", anyPort)...)
	to := []string{"--bootnodes", boot.record.String()}
	follows := start(t, t.TempDir(), append(args, to...)...)
	stays := start(t, t.TempDir(), append(to, "--enr", "eth2="+chain.Forks()[0].Digest.String())...)
	eventually(t, "both in the table", func() bool { return boot.metric(t, "discv5_table_nodes") >= 2 || time.Since(genesis) > 9*time.Second })
	eventually(t, "one in the table", func() bool {
		v := boot.forks(t)
		return v.Current.Name == "bpo1" && boot.metric(t, "discv5_table_nodes") == 1 && len(v.Table) == 1 && v.Table[0].Name == "bpo1"
	})
	if since := time.Since(genesis); since < 12*time.Second {
		t.Errorf("the old fork left after %v, before the grace period ended", since)
	}
	for _, p := range []*process{boot, follows, stays} {
		p.stop(t)
	}
}

func TestChainSettings(t *testing.T) {
	config, genesis := chainFile(t, 5), "../../forks/testdata/sepolia-genesis.json"
	state := write(t, strings.Repeat("\x01", 5)+"\x00\x00\x00"+strings.Repeat("x", 100), 0o600)
	for _, args := range []string{
		"--network mainnet", "--network sepolia --layer execution", "--network hoodi --serve all",
		"--chain-config " + genesis, "--chain-config " + config + " --genesis-state " + state,
		"--chain-config " + config + " --genesis-validators-root " + testRoot + " --genesis-time 7 --fork-grace 0s",
		"--enr eth2=0x01020304,0x05000000,7 --enr x=y", "--protocol-id devnet",
	} {
		if _, err := load(strings.Fields(args), nil); err != nil {
			t.Errorf("%s: %v", args, err)
		}
	}
	for args, want := range map[string]string{
		"--network mainet":                                             "want hoodi, mainnet or sepolia",
		"--network mainnet --layer both":                               "want consensus or execution",
		"--layer execution":                                            "--layer needs --network",
		"--network mainnet --chain-config x":                           "exclude each other",
		"--network mainnet --genesis-time 5":                           "needs --chain-config",
		"--network=":                                                   "--network is empty",
		"--serve network":                                              "needs --network or --chain-config",
		"--serve some --network mainnet":                               "want network or all",
		"--fork-grace 5m":                                              "needs --network",
		"--fork-grace -5m --network mainnet":                           "want 0 or more",
		"--chain-config /nowhere":                                      "no such file",
		"--chain-config " + config:                                     "needs --genesis-validators-root",
		"--chain-config " + state:                                      "--chain-config",
		"--chain-config " + genesis + " --genesis-time 5":              "is a genesis.json",
		"--chain-config " + config + " --genesis-validators-root 0x12": "not 32 bytes",
		"--chain-config " + config + " --genesis-state " + write(t, "short", 0o600):             "not a genesis state",
		"--chain-config " + config + " --genesis-state x --genesis-validators-root " + testRoot: "exclude each other",
		"--enr eth2":                            "want KEY=VALUE",
		"--enr ip=1.2.3.4":                      "addresses of the node",
		"--enr x=1 --enr x=2":                   "was set before",
		"--enr eth2=0x01020304 --network hoodi": "the chain sets eth2",
		"--enr x=" + strings.Repeat("y", 100) + " --enr z=" + strings.Repeat("y", 100): "more than 300 bytes",
		"--protocol-id discv": "want 6 characters",
	} {
		_, err := load(strings.Fields(args), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
		if err != nil && strings.Contains(cli.OneLine(err), "\n") {
			t.Errorf("%s: %v", args, err)
		}
	}
	o := mustLoad(t, nil, []string{"DISCV5_ENR=eth2=0x01020304,0x05000000,7; x=y"})
	if len(o.net.entries) != 2 {
		t.Errorf("entries of the environment: %v", o.net.entries)
	}
	o = mustLoad(t, []string{"--config", write(t, `enr = ["eth2=0x01020304,0x05000000,7", "x=y"]`, 0o600)}, nil)
	if len(o.net.entries) != 2 {
		t.Errorf("entries of the file: %v", o.net.entries)
	}
	if o := mustLoad(t, []string{"--network", "mainnet"}, nil); len(o.sources) < 10 {
		t.Errorf("%d published bootnodes", len(o.sources))
	}
	if o := mustLoad(t, []string{"--network", "mainnet", "--bootnodes", ""}, nil); len(o.sources) != 0 {
		t.Errorf("%d bootnodes in place of none", len(o.sources))
	}
}

// TestUnknownFork: most nodes plan a fork that the program does not know.
func TestUnknownFork(t *testing.T) {
	_, chain := testChain(t, forks.FarFuture, time.Now())
	now := time.Now()
	of := func(epoch uint64) enr.View {
		key, err := enr.ParsePrivateKeyHex(hexKey)
		if err != nil {
			t.Fatal(err)
		}
		e := chain.(*forks.Consensus).Eth2(now)
		e.NextForkEpoch = epoch
		r, err := enr.NewBuilder().SetEth2(e).Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		return r.View()
	}
	for _, test := range []struct {
		same, other int
		want        bool
	}{{0, 0, false}, {0, 7, false}, {0, 8, true}, {8, 8, false}, {8, 9, true}} {
		var c nextCount
		for range test.same {
			c.add(chain, of(forks.FarFuture), now)
		}
		for range test.other {
			c.add(chain, of(123456), now)
		}
		if c.unknown() != test.want {
			t.Errorf("%d the same, %d other: %v", test.same, test.other, c.unknown())
		}
	}
}
