// Package chain has the flags by which the programs name a chain of Ethereum.
package chain

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/forks"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

// Flags are the values of the flags.
type Flags struct {
	Network string
	Layer   string
	Config  string // a file
	State   string // a file
	Root    string
	Time    int
	Grace   time.Duration
}

// Names are the names of the flags, in their order.
var Names = []string{"network", "layer", "chain-config", "genesis-state", "genesis-validators-root", "genesis-time", "fork-grace"}

// Add adds the flags.
func (f *Flags) Add(set *pflag.FlagSet) {
	set.StringVar(&f.Network, "network", "", "`NAME` of a public network: "+quote.Choices(forks.Names()))
	set.StringVar(&f.Layer, "layer", string(forks.ConsensusLayer), "`LAYER` of --network: consensus or execution")
	set.StringVar(&f.Config, "chain-config", "", "`FILE` that describes another chain: config.yaml of the consensus layer, or genesis.json of go-ethereum")
	set.StringVar(&f.State, "genesis-state", "", "`FILE` genesis.ssz, for the time and the validators root of the genesis of a config.yaml")
	set.StringVar(&f.Root, "genesis-validators-root", "", "genesis validators root of a config.yaml, 32 bytes in `HEX`")
	set.IntVar(&f.Time, "genesis-time", 0, "genesis time of a config.yaml, in Unix `SECONDS`. Default: MIN_GENESIS_TIME and GENESIS_DELAY")
	set.DurationVar(&f.Grace, "fork-grace", forks.DefaultGrace, "`TIME` after a fork of the consensus layer during which nodes may still name the old one")
}

// Loaded is what the flags name.
type Loaded struct {
	Chain     forks.Chain // nil: the flags name no chain
	Bootnodes []string    // of a public network
}

// Load returns the chain that the flags name. set has the flags, and from returns how an error
// names one. It reads the files.
func (f *Flags) Load(set func(name string) bool, from func(name string) string) (Loaded, error) {
	if set("layer") && f.Layer != string(forks.ConsensusLayer) && f.Layer != string(forks.ExecutionLayer) {
		return Loaded{}, fmt.Errorf("%s %s: want consensus or execution", from("layer"), quote.Short(f.Layer))
	}
	if f.Grace < 0 {
		return Loaded{}, fmt.Errorf("%s %v: want 0 or more", from("fork-grace"), f.Grace)
	}
	for _, name := range []string{"network", "chain-config", "genesis-state", "genesis-validators-root"} {
		if value := map[string]string{"network": f.Network, "chain-config": f.Config, "genesis-state": f.State, "genesis-validators-root": f.Root}[name]; set(name) && value == "" {
			return Loaded{}, fmt.Errorf("%s is empty", from(name))
		}
	}
	switch {
	case f.Network != "" && f.Config != "":
		return Loaded{}, fmt.Errorf("%s and %s exclude each other", from("network"), from("chain-config"))
	case f.Network == "" && set("layer"):
		return Loaded{}, fmt.Errorf("%s needs --network", from("layer"))
	}
	if f.Config == "" {
		for _, name := range []string{"genesis-state", "genesis-validators-root", "genesis-time"} {
			if set(name) {
				return Loaded{}, fmt.Errorf("%s needs --chain-config with a config.yaml", from(name))
			}
		}
	}
	switch {
	case f.Network != "":
		return f.public(from)
	case f.Config != "":
		c, err := f.custom(set, from)
		return Loaded{Chain: c}, err
	case set("fork-grace"):
		return Loaded{}, fmt.Errorf("%s needs --network or --chain-config", from("fork-grace"))
	}
	return Loaded{}, nil
}

// grace returns the value of ConsensusConfig.Grace.
func (f *Flags) grace() time.Duration {
	if f.Grace == 0 {
		return -1
	}
	return f.Grace
}

func (f *Flags) public(from func(string) string) (l Loaded, err error) {
	n, err := forks.Public(f.Network, forks.Layer(f.Layer))
	if errors.Is(err, forks.ErrUnknownNetwork) {
		return l, fmt.Errorf("%s %s: want %s", from("network"), quote.Short(f.Network), quote.Choices(forks.Names()))
	}
	if err != nil {
		return l, err
	}
	l = Loaded{n.Chain, n.Bootnodes}
	if n.Chain.Layer() == forks.ConsensusLayer {
		c, err := forks.PublicConsensus(f.Network)
		if err != nil {
			return l, err
		}
		c.Grace = f.grace()
		if l.Chain, err = forks.NewConsensus(c); err != nil {
			return l, err
		}
	}
	return l, nil
}

// custom returns the chain of --chain-config.
func (f *Flags) custom(set func(string) bool, from func(string) string) (forks.Chain, error) {
	text, err := readConfig(f.Config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from("chain-config"), err)
	}
	inFile := func(err error) error {
		return fmt.Errorf("%s: %s: %s", from("chain-config"), f.Config, cli.OneLine(err, "forks"))
	}
	if bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		for _, name := range []string{"genesis-state", "genesis-validators-root", "genesis-time"} {
			if set(name) {
				return nil, fmt.Errorf("%s is for a config.yaml, and %s is a genesis.json", from(name), f.Config)
			}
		}
		c, err := forks.ParseGenesis(bytes.NewReader(text))
		if err != nil {
			return nil, inFile(err)
		}
		chain, err := forks.NewExecution(c)
		if err != nil {
			return nil, inFile(err)
		}
		return chain, nil
	}
	c, err := forks.ParseConsensusConfig(bytes.NewReader(text))
	if err != nil {
		return nil, inFile(err)
	}
	if err := f.genesis(&c, set, from); err != nil {
		return nil, err
	}
	c.Grace = f.grace()
	chain, err := forks.NewConsensus(c)
	if err != nil {
		return nil, inFile(err)
	}
	return chain, nil
}

// genesis sets the genesis validators root and the genesis time.
func (f *Flags) genesis(c *forks.ConsensusConfig, set func(string) bool, from func(string) string) (err error) {
	switch {
	case f.State != "" && f.Root != "":
		return fmt.Errorf("%s and %s exclude each other", from("genesis-state"), from("genesis-validators-root"))
	case f.State != "":
		file, err := cli.OpenRegular(f.State)
		if err != nil {
			return fmt.Errorf("%s: %w", from("genesis-state"), err)
		}
		defer file.Close()
		if c.GenesisTime, c.GenesisValidatorsRoot, err = forks.ParseGenesisState(file); err != nil {
			return fmt.Errorf("%s: %s: %s", from("genesis-state"), f.State, cli.OneLine(err, "forks"))
		}
	case f.Root != "":
		if c.GenesisValidatorsRoot, err = forks.ParseRoot(f.Root); err != nil {
			return fmt.Errorf("%s: %s", from("genesis-validators-root"), cli.OneLine(err, "forks"))
		}
	default:
		return fmt.Errorf("%s with a config.yaml needs --genesis-validators-root or --genesis-state", from("chain-config"))
	}
	if set("genesis-time") {
		if f.Time < 0 {
			return fmt.Errorf("%s %d: want 0 or more", from("genesis-time"), f.Time)
		}
		c.GenesisTime = uint64(f.Time)
	}
	return nil
}

// readConfig reads a file of at most forks.MaxConfigSize bytes.
func readConfig(path string) ([]byte, error) {
	f, err := cli.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, forks.MaxConfigSize+1))
	if err == nil && len(text) > forks.MaxConfigSize {
		err = &os.PathError{Op: "read", Path: path, Err: forks.ErrTooLarge}
	}
	return bytes.TrimPrefix(text, []byte("\ufeff")), err
}
