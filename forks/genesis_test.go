package forks

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestGenesisOfPublicNetworks computes the hashes of genesis blocks from the genesis.json that the
// networks publish, and compares hashes and forks with those that the package has. hoodi has code,
// storage and the forks up to Cancun in its genesis block; sepolia has none of them.
func TestGenesisOfPublicNetworks(t *testing.T) {
	files := map[string]string{"sepolia": "testdata/sepolia-genesis.json", "hoodi": "testdata/hoodi-genesis.json"}
	if path := os.Getenv("DISCV5_MAINNET_GENESIS"); path != "" {
		files["mainnet"] = path // 860 kB, not in the repository
	}
	for name, path := range files {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			c, err := ParseGenesis(f)
			if err != nil {
				t.Fatal(err)
			}
			want := public(t, name)
			if c.GenesisHash != want.GenesisHash || c.GenesisTime != want.GenesisTime {
				t.Errorf("genesis block %x at %d, want %x at %d", c.GenesisHash, c.GenesisTime, want.GenesisHash, want.GenesisTime)
			}
			got := execution(t, c)
			have := execution(t, want)
			// The file is older than the last forks.
			if n := len(got.points); n == 0 || !slices.Equal(got.points, have.points[:n]) {
				t.Errorf("forks at %d, want the first ones of %d", got.points, have.points)
			}
		})
	}
}

const smallGenesis = `{"config": {"chainId": 7, "homesteadBlock": 0, "londonBlock": 5, "shanghaiTime": 100, "cancunTime": null, "ethash": {}},
	"gasLimit": "0x1388", "timestamp": "0x10", "alloc": {"0x0000000000000000000000000000000000000001": {"balance": "1"}}}`

func TestParseGenesis(t *testing.T) {
	c, err := ParseGenesis(strings.NewReader(smallGenesis))
	if err != nil {
		t.Fatal(err)
	}
	e := execution(t, c)
	if !slices.Equal(e.points, []uint64{5, 100}) || e.blocks != 1 || e.forks[0].Name != "homestead" || e.forks[2].Name != "shanghai" {
		t.Errorf("points %d, forks %v", e.points, e.forks)
	}
	for name, change := range map[string][2]string{
		"not JSON":                  {`{"config"`, `{config`},
		"no config":                 {`"config"`, `"conf"`},
		"no alloc":                  {`"alloc"`, `"all"`},
		"fork that is text":         {`"londonBlock": 5`, `"londonBlock": "five"`},
		"fork that is negative":     {`"londonBlock": 5`, `"londonBlock": -5`},
		"fork beyond 64 bits":       {`"londonBlock": 5`, `"londonBlock": 18446744073709551616`},
		"number of many digits":     {`"londonBlock": 5`, `"londonBlock": ` + strings.Repeat("9", 200)},
		"time of genesis that long": {`"timestamp": "0x10"`, `"timestamp": "0x10000000000000000"`},
		"address that is too short": {`0x0000000000000000000000000000000000000001`, `0x01`},
		"balance that is no number": {`"balance": "1"`, `"balance": "one"`},
		"balance below 0":           {`"balance": "1"`, `"balance": "-1"`},
		"balance of 2^256":          {`"balance": "1"`, `"balance": "0x1` + strings.Repeat("0", 64) + `"`},
		"number with many zeros":    {`"londonBlock": 5`, `"londonBlock": "0x` + strings.Repeat("0", 78) + `5"`},
		"long storage value":        {`"balance": "1"`, `"storage": {"0x01": "0x` + strings.Repeat("11", 33) + `"}`},
		"long mix hash":             {`"gasLimit"`, `"mixHash": "0x` + strings.Repeat("11", 33) + `", "gasLimit"`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(smallGenesis, change[0], change[1], 1)
			if text == smallGenesis {
				t.Fatal("nothing changed")
			}
			if _, err := ParseGenesis(strings.NewReader(text)); err == nil {
				t.Error("accepted")
			} else if len(err.Error()) > 300 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
	if _, err := ParseGenesis(bytes.NewReader(make([]byte, MaxConfigSize+1))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large file: %v", err)
	}
}

// TestTrieRoot: the published vectors of secure tries (ethereum/tests, TrieTests).
func TestTrieRoot(t *testing.T) {
	for _, test := range []struct {
		pairs [][2]string
		root  string
	}{
		{nil, "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"},
		{[][2]string{{"A", strings.Repeat("a", 50)}}, "e9e2935138352776cad724d31c9fa5266a5c593bb97726dd2a908fe6d53284df"},
		{[][2]string{{"doe", "reindeer"}, {"dog", "puppy"}, {"dogglesworth", "cat"}}, "d4cd937e4a4368d7931a9cf51686b7e10abb3dce38a39000fd7902a092b64585"},
	} {
		var list []leaf
		for _, p := range test.pairs {
			list = append(list, newLeaf([]byte(p[0]), []byte(p[1])))
		}
		if got := trieRoot(list); hex.EncodeToString(got[:]) != test.root {
			t.Errorf("%v: root %x, want %s", test.pairs, got, test.root)
		}
	}
}

func FuzzParseGenesis(f *testing.F) {
	f.Add([]byte(smallGenesis))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if c, err := ParseGenesis(bytes.NewReader(b)); err == nil {
			NewExecution(c)
		}
	})
}
