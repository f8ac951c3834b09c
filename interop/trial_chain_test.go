package interop

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/proctest"
)

// trialChain is a private consensus network with two forks. It computes digests by the text of the
// specification, apart from the package that the bootnode has for that.
type trialChain struct {
	genesis time.Time
	root    [32]byte
	names   []string    // of the forks, as the bootnode names them
	forks   []time.Time // when they begin; the first one at genesis
	digests [][4]byte
}

const (
	trialSlots = 8 // of an epoch, which are seconds
	trialEpoch = 100
	trialBlobs = 12
)

// newTrialChain returns a chain whose first fork, Fulu, begins about then, and whose second one, a
// change of the number of blobs, an epoch later.
func newTrialChain(then time.Time) *trialChain {
	genesis := time.Unix(then.Unix()-trialEpoch*trialSlots, 0)
	c := &trialChain{genesis: genesis, root: sha256.Sum256([]byte("trial")), names: []string{"electra", "fulu", "bpo1"}}
	for _, epoch := range []int{0, trialEpoch, trialEpoch + 1} {
		c.forks = append(c.forks, genesis.Add(time.Duration(epoch)*trialBetween))
	}
	electra, fulu := c.base([4]byte{0x60, 0, 0, 1}), c.base([4]byte{0x70, 0, 0, 1})
	// Fulu begins with the number of blobs of Electra.
	c.digests = [][4]byte{electra, mask(fulu, 0, 9), mask(fulu, trialEpoch+1, trialBlobs)}
	return c
}

// base returns the digest of a version of a fork: the first bytes of the root of ForkData.
func (c *trialChain) base(version [4]byte) [4]byte {
	var data [64]byte
	copy(data[:], version[:])
	copy(data[32:], c.root[:])
	sum := sha256.Sum256(data[:])
	return [4]byte(sum[:4])
}

// mask returns the digest of Fulu with a number of blobs since an epoch.
func mask(digest [4]byte, epoch, blobs uint64) [4]byte {
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, epoch), blobs))
	for i := range digest {
		digest[i] ^= sum[i]
	}
	return digest
}

// write writes the files of the chain and of the bootnode, as OPERATING.md says, and returns the
// latter.
func (c *trialChain) write(t *testing.T, _ release) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	chain := `PRESET_BASE: 'minimal'
CONFIG_NAME: 'trial'
MIN_GENESIS_TIME: 1
GENESIS_DELAY: 0
GENESIS_FORK_VERSION: 0x00000001
SECONDS_PER_SLOT: 1
MAX_BLOBS_PER_BLOCK_ELECTRA: 9
`
	for i, name := range []string{"ALTAIR", "BELLATRIX", "CAPELLA", "DENEB", "ELECTRA"} {
		chain += fmt.Sprintf("%s_FORK_VERSION: 0x%d0000001\n%s_FORK_EPOCH: 0\n", name, i+2, name)
	}
	chain += fmt.Sprintf("FULU_FORK_VERSION: 0x70000001\nFULU_FORK_EPOCH: %d\nBLOB_SCHEDULE:\n  - EPOCH: %d\n    MAX_BLOBS_PER_BLOCK: %d\n",
		trialEpoch, trialEpoch+1, trialBlobs)
	return write("bootnode.toml", strings.Join([]string{
		fmt.Sprintf("addr = [%q]", proctest.FreePort(t, "udp", loopback4)),
		fmt.Sprintf("datadir = %q", filepath.Join(dir, "data")),
		fmt.Sprintf("http = %q", proctest.FreePort(t, "tcp", loopback4)),
		fmt.Sprintf("chain-config = %q", write("config.yaml", chain)),
		fmt.Sprintf("genesis-validators-root = %q", "0x"+hex.EncodeToString(c.root[:])),
		fmt.Sprintf("genesis-time = %d", c.genesis.Unix()),
		fmt.Sprintf("fork-grace = %q", trialGrace),
		`serve = "network"`, "",
	}, "\n"))
}

// at returns which fork is in force.
func (c *trialChain) at(now time.Time) int {
	i := 0
	for i+1 < len(c.forks) && !now.Before(c.forks[i+1]) {
		i++
	}
	return i
}

func (c *trialChain) digest(fork int) [4]byte { return c.digests[fork] }

func (c *trialChain) has(digest [4]byte) bool {
	for _, d := range c.digests {
		if d == digest {
			return true
		}
	}
	return false
}

// follow calls change when a fork begins, until stopped.
func (c *trialChain) follow(stopped <-chan struct{}, change func(digest [4]byte)) {
	for i, begin := range c.forks[1:] {
		select {
		case <-stopped:
			return
		case <-time.After(time.Until(begin)):
			change(c.digest(i + 1))
		}
	}
}

// eth2Entry returns an entry eth2 without a next fork.
func eth2Entry(digest [4]byte) []byte {
	b := append(make([]byte, 0, 16), digest[:]...)
	return binary.LittleEndian.AppendUint64(append(b, 0, 0, 0, 0), 1<<64-1)
}

// digestOf returns the fork digest of a record, or zeros.
func digestOf(r *enr.Record) (digest [4]byte) {
	if e, ok := r.View().Eth2(); ok {
		digest = e.ForkDigest
	}
	return digest
}
