package forks

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/fastdisc/discv5/enr"
)

// vectors are the published vectors in testdata/vectors.json, which names their sources.
type vectors struct {
	EIP2124, EIP6122, GoEthereum struct {
		IDs []struct {
			Network    string
			Head, Time uint64
			Hash       string
			Next       uint64
		}
		Validation []struct {
			BlocksOnly bool
			Head, Time uint64
			Hash       string
			Next       uint64
			Error      string
		}
	}
	ConsensusSpecs struct {
		BlobSchedule [][2]uint64
		Digests      []struct {
			Epoch    uint64
			Version  string
			RootByte byte
			Digest   string
		}
	}
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func execution(t *testing.T, c ExecutionConfig) *Execution {
	t.Helper()
	e, err := NewExecution(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func root(t *testing.T, s string) [32]byte {
	t.Helper()
	r, err := ParseRoot(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func at(points ...uint64) (list []ExecutionFork) {
	for _, p := range points {
		list = append(list, ExecutionFork{At: p})
	}
	return list
}

// public returns the configuration of a public network that the package has.
func public(t *testing.T, name string) ExecutionConfig {
	t.Helper()
	c, err := ByName(name, ExecutionLayer)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*Execution).config
}

// oldNetworks are networks of the vectors that the package does not have.
func oldNetworks(t *testing.T) map[string]ExecutionConfig {
	return map[string]ExecutionConfig{
		"ropsten": {
			GenesisHash: root(t, "0x41941023680923e0fe4d74a34bdac8141f2540e3ae90623718e47d66d1ca4a2d"),
			BlockForks:  at(0, 10, 1700000, 4230000, 4939394, 6485846),
		},
		"rinkeby": {
			GenesisHash: root(t, "0x6341fd3daf94b748c72ced5a5b26028f2474f5f00d824504e4fa37a75767e177"),
			BlockForks:  at(1, 2, 3, 3, 1035301, 3660663, 4321234, 5435345),
		},
		"goerli": {
			GenesisHash: root(t, "0xbf7e331f7f7c1dd2e05159666b3bf8bc7a8a3a9eb1d518969eab529dd9b88c1a"),
			BlockForks:  at(1561651),
		},
		"holesky": {
			GenesisHash: root(t, "0xb5f7f912443c940f21fd611f12828d75b534364ed9e95ca4e307729a4661bde4"),
			GenesisTime: 1695902100,
			TimeForks:   at(1696000704, 1707305664, 1740434112, 1759308480, 1759800000, 1760389824),
		},
	}
}

// upTo returns the forks up to a point.
func upTo(list []ExecutionFork, last uint64) []ExecutionFork {
	for i, f := range list {
		if f.At > last {
			return list[:i]
		}
	}
	return list
}

// TestForkIDVectors: EIP-2124, EIP-6122, and the test of go-ethereum, which has the present forks
// of the public networks.
func TestForkIDVectors(t *testing.T) {
	v, old := readVectors(t), oldNetworks(t)
	mainnet := public(t, "mainnet")
	petersburg := mainnet
	petersburg.BlockForks, petersburg.TimeForks = upTo(mainnet.BlockForks, 7280000), nil
	withdrawals := mainnet
	withdrawals.BlockForks, withdrawals.TimeForks = append(upTo(mainnet.BlockForks, 1<<62), at(18000000)...), at(1668000000)
	blocksOnly := mainnet
	blocksOnly.TimeForks = nil
	bpo2 := public(t, "sepolia") // the vectors are older than Amsterdam
	bpo2.TimeForks = upTo(bpo2.TimeForks, 1761607008)
	hoodi := public(t, "hoodi")
	hoodi.TimeForks = upTo(hoodi.TimeForks, 1762955544)

	for _, set := range []struct {
		name     string
		networks map[string]ExecutionConfig
		local    ExecutionConfig
	}{
		{"EIP2124", map[string]ExecutionConfig{"mainnet": petersburg}, petersburg},
		{"EIP6122", map[string]ExecutionConfig{"mainnet": withdrawals}, withdrawals},
		{"GoEthereum", map[string]ExecutionConfig{"mainnet": mainnet, "sepolia": bpo2, "hoodi": hoodi}, mainnet},
	} {
		t.Run(set.name, func(t *testing.T) {
			list := v.EIP2124
			switch set.name {
			case "EIP6122":
				list = v.EIP6122
			case "GoEthereum":
				list = v.GoEthereum
			}
			if len(list.IDs) < 25 || len(list.Validation) < 15 {
				t.Fatalf("%d and %d vectors: these cannot be all", len(list.IDs), len(list.Validation))
			}
			for _, c := range list.IDs {
				config, ok := set.networks[c.Network]
				if !ok {
					config = old[c.Network]
				}
				id := execution(t, config).ForkID(c.Head, c.Time)
				if got := Digest(id.Hash).String(); got != c.Hash || id.Next != c.Next {
					t.Errorf("%s, block %d, time %d: %s, next %d; want %s, next %d", c.Network, c.Head, c.Time, got, id.Next, c.Hash, c.Next)
				}
			}
			for i, c := range list.Validation {
				config := set.local
				if c.BlocksOnly {
					config = blocksOnly
				}
				hash, err := parseHex(c.Hash, 4)
				if err != nil {
					t.Fatal(err)
				}
				want := map[string]error{"": nil, "remote": ErrRemoteStale, "local": ErrIncompatible}[c.Error]
				if err := execution(t, config).Validate(enr.ForkID{Hash: [4]byte(hash), Next: c.Next}, c.Head, c.Time); !errors.Is(err, want) {
					t.Errorf("vector %d: block %d, time %d, remote %s next %d: %v, want %v", i, c.Head, c.Time, c.Hash, c.Next, err, want)
				}
			}
		})
	}
}

// TestForkDigestVectors: the consensus specifications' vectors of compute_fork_digest.
func TestForkDigestVectors(t *testing.T) {
	v := readVectors(t).ConsensusSpecs
	if len(v.Digests) != 26 {
		t.Fatalf("%d vectors", len(v.Digests))
	}
	for _, c := range v.Digests {
		version, err := parseHex(c.Version, 4)
		if err != nil {
			t.Fatal(err)
		}
		config := ConsensusConfig{SlotsPerEpoch: 32, SlotDuration: 12e9, Forks: []ConsensusFork{{Name: "fulu", Version: [4]byte(version)}}}
		for i := range config.GenesisValidatorsRoot {
			config.GenesisValidatorsRoot[i] = c.RootByte
		}
		for _, p := range v.BlobSchedule {
			config.BlobSchedule = append(config.BlobSchedule, BlobParameters{p[0], p[1]})
		}
		chain, err := NewConsensus(config)
		if err != nil {
			t.Fatal(err)
		}
		if got := chain.Digest(c.Epoch).String(); got != c.Digest {
			t.Errorf("epoch %d, version %s, root %02x...: %s, want %s", c.Epoch, c.Version, c.RootByte, got, c.Digest)
		}
	}
}
