package forks

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/enrtest"
)

func chain(t *testing.T, name string, layer Layer) Chain {
	t.Helper()
	c, err := ByName(name, layer)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPublicForks compares the digests of the public networks with those that their clients and
// explorers show, and the starts of the forks of both layers with each other (EIP-7892).
func TestPublicForks(t *testing.T) {
	for _, test := range []struct {
		name  string
		layer Layer
		forks string // names and digests
	}{
		{"mainnet", ConsensusLayer, "phase0 b5303f2a altair afcaaba0 bellatrix 4a26c58b capella bba4da96 deneb 6a95a1a9 electra ad532ceb fulu cc2c5cdb bpo1 cb0d1acc bpo2 8c9f62fe"},
		{"sepolia", ConsensusLayer, "phase0 a8fee8ee altair 60725ca1 bellatrix 36fa5013 capella 47eb72b3 deneb d31f6191 electra 14045b5a"},
		{"sepolia", ExecutionLayer, "genesis fe3366e7 mergeNetsplit b96cbd13 shanghai f7f9bc08 cancun 88cf81d9 prague ed88b5fd osaka e2ae4999 bpo1 56078a1e bpo2 268956b6 amsterdam 6c1d9423"},
		{"hoodi", ExecutionLayer, "genesis bef71d30 prague 0929e24e osaka e7e0e7ff bpo1 3893353e bpo2 23aa1351"},
	} {
		t.Run(test.name+" "+string(test.layer), func(t *testing.T) {
			var got []string
			for _, f := range chain(t, test.name, test.layer).Forks() {
				got = append(got, f.Name, strings.TrimPrefix(f.Digest.String(), "0x"))
			}
			if s := strings.Join(got, " "); !strings.HasPrefix(s, test.forks) {
				t.Errorf("forks %s\nwant %s", s, test.forks)
			}
		})
	}
	pairs := map[string]string{"capella": "shanghai", "deneb": "cancun", "electra": "prague", "fulu": "osaka", "bpo1": "bpo1", "bpo2": "bpo2", "gloas": "amsterdam"}
	for _, name := range Names() {
		starts := map[string]time.Time{}
		for _, f := range chain(t, name, ExecutionLayer).Forks() {
			starts[f.Name] = f.Start
		}
		compared := 0
		for _, f := range chain(t, name, ConsensusLayer).Forks() {
			want, ok := starts[pairs[f.Name]]
			if !ok || f.Start.IsZero() {
				continue
			}
			compared++
			if !f.Start.Equal(want) {
				t.Errorf("%s: %s begins at %v, %s at %v", name, f.Name, f.Start.UTC(), pairs[f.Name], want.UTC())
			}
		}
		if compared < 4 {
			t.Errorf("%s: %d forks compared", name, compared)
		}
	}
}

const fork = 1_000_000 // Unix seconds of genesis in testConfig

// testConfig has a fork with a version and one of blob parameters only behind Fulu. Epochs are 16
// s.
const testConfig = `
PRESET_BASE: minimal
CONFIG_NAME: 'test-net'
MIN_GENESIS_TIME: 999990
GENESIS_DELAY: 10
GENESIS_FORK_VERSION: 0x10000038
ALTAIR_FORK_VERSION: 0x20000038
ALTAIR_FORK_EPOCH: 0
BELLATRIX_FORK_VERSION: 0x30000038
BELLATRIX_FORK_EPOCH: 0
CAPELLA_FORK_VERSION: 0x40000038
CAPELLA_FORK_EPOCH: 0
DENEB_FORK_VERSION: 0x50000038
DENEB_FORK_EPOCH: 0
ELECTRA_FORK_VERSION: 0x60000038
ELECTRA_FORK_EPOCH: 0
FULU_FORK_VERSION: 0x70000038
FULU_FORK_EPOCH: 10 # a comment
GLOAS_FORK_VERSION: 0x80000038
GLOAS_FORK_EPOCH: 30
EIP7805_FORK_EPOCH: 18446744073709551615
SECONDS_PER_SLOT: 2
BLOB_SCHEDULE:
  - EPOCH: 20
    MAX_BLOBS_PER_BLOCK: 12
`

func testChain(t *testing.T) *Consensus {
	t.Helper()
	c, err := ParseConsensusConfig(strings.NewReader(testConfig))
	if err != nil {
		t.Fatal(err)
	}
	c.GenesisValidatorsRoot = [32]byte{1, 2, 3}
	c.Grace = 100 * time.Second
	chain, err := NewConsensus(c)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// when returns a time in seconds after the genesis of testConfig.
func when(s int64) time.Time { return time.Unix(fork+s, 0) }

func TestParseConsensusConfig(t *testing.T) {
	c, err := ParseConsensusConfig(strings.NewReader(testConfig))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "test-net" || c.GenesisTime != fork || c.SlotsPerEpoch != 8 || c.SlotDuration != 2*time.Second || c.MaxBlobsElectra != 9 {
		t.Errorf("%+v", c)
	}
	if len(c.Forks) != 8 || c.Forks[7] != (ConsensusFork{"gloas", [4]byte{0x80, 0, 0, 0x38}, 30}) || !slices.Equal(c.BlobSchedule, []BlobParameters{{20, 12}}) {
		t.Errorf("forks %v, blobs %v", c.Forks, c.BlobSchedule)
	}
	for name, change := range map[string][2]string{
		"not YAML":                 {"PRESET_BASE: minimal", "\tPRESET_BASE: [minimal"},
		"unknown preset":           {"minimal", "maximal"},
		"no preset":                {"PRESET_BASE", "PRESET"},
		"no genesis time":          {"MIN_GENESIS_TIME", "GENESIS"},
		"no slot":                  {"SECONDS_PER_SLOT", "SECONDS"},
		"epoch that is text":       {"FULU_FORK_EPOCH: 10", "FULU_FORK_EPOCH: ten"},
		"epoch that is a list":     {"FULU_FORK_EPOCH: 10", "FULU_FORK_EPOCH: [10]"},
		"fork without version":     {"FULU_FORK_VERSION", "FULU_VERSION"},
		"version of three bytes":   {"0x70000038", "0x700000"},
		"genesis without version":  {"GENESIS_FORK_VERSION", "GENESIS_VERSION"},
		"schedule that is no list": {"BLOB_SCHEDULE:", "BLOB_SCHEDULE: 7\nOTHER:"},
		"entry without epoch":      {"- EPOCH: 20", "- AGE: 20"},
		"key that is there twice":  {"FULU_FORK_EPOCH: 10", "FULU_FORK_EPOCH: 10\nFULU_FORK_EPOCH: 11"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(testConfig, change[0], change[1], 1)
			if text == testConfig {
				t.Fatal("nothing changed")
			}
			if c, err := ParseConsensusConfig(strings.NewReader(text)); err == nil {
				t.Errorf("accepted: %+v", c)
			}
		})
	}
}

func TestNewConsensusRefuses(t *testing.T) {
	ok := ConsensusConfig{SlotsPerEpoch: 8, SlotDuration: time.Second, Forks: []ConsensusFork{{Name: "phase0"}, {Name: "altair", Epoch: 5}}}
	for name, test := range map[string]struct {
		change func(*ConsensusConfig)
		want   error
	}{
		"no genesis fork": {func(c *ConsensusConfig) { c.Forks = c.Forks[1:] }, ErrNoGenesis},
		"no slots":        {func(c *ConsensusConfig) { c.SlotsPerEpoch = 0 }, ErrSchedule},
		"no duration":     {func(c *ConsensusConfig) { c.SlotDuration = 0 }, ErrSchedule},
		"a duration < 0":  {func(c *ConsensusConfig) { c.SlotDuration = -time.Second }, ErrSchedule},
		"fork twice":      {func(c *ConsensusConfig) { c.Forks = append(slices.Clone(c.Forks), c.Forks[1]) }, ErrSchedule},
		"disorder": {func(c *ConsensusConfig) {
			c.Forks = append(slices.Clone(c.Forks), ConsensusFork{Name: "capella", Epoch: 4})
		}, ErrSchedule},
		"two blob entries": {func(c *ConsensusConfig) { c.BlobSchedule = []BlobParameters{{7, 1}, {7, 2}} }, ErrSchedule},
		"far beyond": {func(c *ConsensusConfig) {
			c.Forks = []ConsensusFork{{Name: "phase0"}, {Name: "altair", Epoch: 1 << 60}}
		}, ErrTimeBounds},
		"late genesis": {func(c *ConsensusConfig) { c.GenesisTime = 1 << 62 }, ErrTimeBounds},
	} {
		t.Run(name, func(t *testing.T) {
			c := ok
			test.change(&c)
			if _, err := NewConsensus(c); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}

// TestConsensusEntries shows what records say before and after forks: fulu/p2p-interface.md, and
// phase0 for the field next_fork_version.
func TestConsensusEntries(t *testing.T) {
	c := testChain(t)
	electra, fulu, gloas := [4]byte{0x60, 0, 0, 0x38}, [4]byte{0x70, 0, 0, 0x38}, [4]byte{0x80, 0, 0, 0x38}
	for _, test := range []struct {
		at        int64
		fork      string
		version   [4]byte // next
		epoch     uint64
		following int // index of the next fork, -1 for none
	}{
		{-1000, "electra", fulu, 10, 1},
		{0, "electra", fulu, 10, 1},
		{159, "electra", fulu, 10, 1},
		{160, "fulu", gloas, 20, 2}, // the next fork has no version of its own
		{320, "bpo1", gloas, 30, 3},
		{480, "gloas", gloas, FarFuture, -1},
		{1 << 40, "gloas", gloas, FarFuture, -1},
	} {
		r := enrtest.Record(t, func(b *enr.Builder) { c.SetEntries(b, when(test.at)) })
		e, ok := r.View().Eth2()
		next, ok2 := r.View().NextForkDigest()
		if !ok || !ok2 {
			t.Fatalf("entries missing: %v", r)
		}
		var want Digest
		if test.following >= 0 {
			want = c.Forks()[test.following].Digest
		}
		if NameOf(c, e.ForkDigest) != test.fork || e.NextForkVersion != test.version || e.NextForkEpoch != test.epoch || next != want {
			t.Errorf("after %d s: fork %s, next version %x, epoch %d, digest %x; want %+v, digest %v",
				test.at, NameOf(c, e.ForkDigest), e.NextForkVersion, e.NextForkEpoch, next, test, want)
		}
	}
	if got := c.Forks()[0].Digest; got != ForkDigest(electra, [32]byte{1, 2, 3}) {
		t.Errorf("digest before Fulu: %v", got)
	}
	if got := c.Forks()[1].Digest; got != BlobForkDigest(fulu, [32]byte{1, 2, 3}, BlobParameters{0, 9}) {
		t.Errorf("digest of Fulu without an entry of the blob schedule: %v", got)
	}
}

// TestConsensusCheck: only the present fork, the next one, and for the grace period the one before.
func TestConsensusCheck(t *testing.T) {
	c := testChain(t)
	of := func(digest Digest) enr.View {
		return enrtest.Record(t, func(b *enr.Builder) { b.SetEth2(enr.Eth2{ForkDigest: digest}) }).View()
	}
	electra, fulu, bpo1, gloas := of(c.forks[0].Digest), of(c.forks[1].Digest), of(c.forks[2].Digest), of(c.forks[3].Digest)
	other := of(Digest{1, 2, 3, 4})
	none := enrtest.Record(t, func(b *enr.Builder) { b.SetBytes("eth2", []byte{1}) }).View()
	for _, test := range []struct {
		name string
		view enr.View
		at   int64
		want Match
	}{
		{"the fork in force", electra, 0, Current},
		{"the next one", fulu, 0, Next},
		{"the one after that", bpo1, 0, Foreign},
		{"another chain", other, 0, Foreign},
		{"a wrong entry", none, 0, Absent},
		{"just after the fork", electra, 160, Previous},
		{"the new fork", fulu, 160, Current},
		{"at the end of the grace period", electra, 259, Previous},
		{"after it", electra, 260, Stale},
		{"two forks later", electra, 325, Stale},
		{"in the grace period of a fork without a version", fulu, 325, Previous},
		{"the last fork", gloas, 1000, Current},
		{"the one before, much later", bpo1, 1000, Stale},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := c.Check(test.view, when(test.at))
			if v.Match != test.want || v.Match.Serves() != (test.want == Current || test.want == Next || test.want == Previous) {
				t.Errorf("%v, want %v", v.Match, test.want)
			}
		})
	}
	var changes []int64
	for now := when(-5); ; {
		next, ok := c.NextChange(now)
		if !ok {
			break
		}
		changes = append(changes, next.Unix()-fork)
		now = next
	}
	if want := []int64{160, 260, 320, 420, 480, 580}; !slices.Equal(changes, want) {
		t.Errorf("changes after %d s, want %d", changes, want)
	}
}

func TestExecutionCheck(t *testing.T) {
	c := execution(t, ExecutionConfig{GenesisTime: 50, GenesisHash: [32]byte{7}, BlockForks: at(0, 10, 10, 20), TimeForks: at(50, 200, 300)})
	of := func(i int, next uint64) enr.View {
		return enrtest.Record(t, func(b *enr.Builder) { b.SetEth(enr.ForkID{Hash: c.forks[i].Digest, Next: next}) }).View()
	}
	// The forks: genesis, blocks 10 and 20, times 200 and 300.
	for _, test := range []struct {
		name string
		view enr.View
		at   int64
		want Match
	}{
		{"the fork in force", of(2, 200), 100, Current},
		{"without the next fork, before it", of(2, 0), 199, Current},
		{"without the next fork, after it", of(2, 0), 200, Stale},
		{"behind", of(1, 20), 100, Previous},
		{"behind, at another next fork", of(1, 21), 100, Stale},
		{"ahead", of(3, 300), 100, Next},
		{"far ahead", of(4, 0), 100, Next},
		{"with a fork of its own that has passed", of(4, 350), 400, Foreign},
		{"after all forks", of(4, 0), 400, Current},
		{"another chain", enrtest.Record(t, func(b *enr.Builder) { b.SetEth(enr.ForkID{Hash: [4]byte{9}}) }).View(), 100, Foreign},
		{"no entry", enrtest.Record(t, func(*enr.Builder) {}).View(), 100, Absent},
	} {
		t.Run(test.name, func(t *testing.T) {
			if v := c.Check(test.view, time.Unix(test.at, 0)); v.Match != test.want {
				t.Errorf("%v, want %v", v.Match, test.want)
			}
		})
	}
	if next, ok := c.NextChange(time.Unix(10, 0)); !ok || next.Unix() != 200 {
		t.Errorf("next change at %v", next)
	}
	if _, ok := c.NextChange(time.Unix(300, 0)); ok {
		t.Error("a change after the last fork")
	}
	r := enrtest.Record(t, func(b *enr.Builder) { c.SetEntries(b, time.Unix(200, 0)) })
	if id, ok := r.View().Eth(); !ok || id.Hash != c.forks[3].Digest || id.Next != 300 {
		t.Errorf("entry %x", id)
	}
	// Without forks by time, the number of the last block is unknown: none of the future is
	// refused.
	old := execution(t, ExecutionConfig{BlockForks: at(10)})
	if v := old.Check(enrtest.Record(t, func(b *enr.Builder) { b.SetEth(enr.ForkID{Hash: old.forks[1].Digest, Next: 1000}) }).View(), time.Now()); v.Match != Current {
		t.Errorf("a fork that may come: %v", v.Match)
	}
	// A time that has passed is one, although the local forks are block numbers.
	if v := old.Check(enrtest.Record(t, func(b *enr.Builder) { b.SetEth(enr.ForkID{Hash: old.forks[1].Digest, Next: 1700000000}) }).View(), time.Unix(1700000001, 0)); v.Match != Foreign {
		t.Errorf("a fork by time that has passed: %v", v.Match)
	}
}

func TestUnknownNetwork(t *testing.T) {
	if _, err := ByName("mainet", ConsensusLayer); !errors.Is(err, ErrUnknownNetwork) || !strings.Contains(fmt.Sprint(err), "hoodi, mainnet or sepolia") {
		t.Errorf("%v", err)
	}
}

// TestPublicBootnodes parses the lists of bootnodes. It contacts nobody.
func TestPublicBootnodes(t *testing.T) {
	for _, name := range Names() {
		for _, layer := range []Layer{ConsensusLayer, ExecutionLayer} {
			n, err := Public(name, layer)
			if err != nil {
				t.Fatal(err)
			}
			if len(n.Bootnodes) < 3 || len(n.Sources) == 0 || n.Date == "" {
				t.Errorf("%s %s: %d bootnodes, sources %q, date %q", name, layer, len(n.Bootnodes), n.Sources, n.Date)
			}
			for i, s := range n.Bootnodes {
				if strings.HasPrefix(s, "enode://") {
					if e, err := enr.ParseEnode(s); err != nil || e.UDP == 0 || !e.Addr.IsValid() {
						t.Errorf("%s %s: bootnode %d: %v", name, layer, i+1, err)
					}
					continue
				}
				r, err := enr.ParseText(s)
				if err == nil {
					err = r.CheckUDP()
				}
				if err != nil {
					t.Errorf("%s %s: bootnode %d: %v", name, layer, i+1, err)
				}
			}
		}
	}
}

func TestParseGenesisState(t *testing.T) {
	state := append([]byte{0x60, 0x7d, 0xb0, 0x62, 0, 0, 0, 0}, make([]byte, 1000)...)
	state[8] = 0xd8
	at, root, err := ParseGenesisState(bytes.NewReader(state))
	if err != nil || at != 1655733600 || root[0] != 0xd8 {
		t.Errorf("%d, %x, %v", at, root, err)
	}
	for _, b := range [][]byte{nil, state[:39], bytes.Repeat([]byte{0xff}, 40)} {
		if _, _, err := ParseGenesisState(bytes.NewReader(b)); !errors.Is(err, ErrGenesisState) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}
