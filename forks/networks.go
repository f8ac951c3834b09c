package forks

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fastdisc/discv5/internal/quote"
)

// networkFiles holds a file for each network, with the sources of its data and their date.
//
//go:embed networks/*.json
var networkFiles embed.FS

// networkFile is the content of such a file.
type networkFile struct {
	Consensus struct {
		networkData
		GenesisValidatorsRoot string `json:"genesisValidatorsRoot"`
		SlotMillis            uint64 `json:"slotMillis"`
		SlotsPerEpoch         uint64 `json:"slotsPerEpoch"`
		MaxBlobsElectra       uint64 `json:"maxBlobsElectra"`
		Forks                 []struct {
			Name    string `json:"name"`
			Version string `json:"version"`
			Epoch   uint64 `json:"epoch"`
		} `json:"forks"`
		BlobSchedule []struct {
			Epoch    uint64 `json:"epoch"`
			MaxBlobs uint64 `json:"maxBlobs"`
		} `json:"blobSchedule"`
	} `json:"consensus"`
	Execution struct {
		networkData
		GenesisHash string `json:"genesisHash"`
		BlockForks  []struct {
			Name  string `json:"name"`
			Block uint64 `json:"block"`
		} `json:"blockForks"`
		TimeForks []struct {
			Name string `json:"name"`
			Time uint64 `json:"time"`
		} `json:"timeForks"`
	} `json:"execution"`
}

type networkData struct {
	Sources     []string `json:"sources"`
	Date        string   `json:"date"`
	GenesisTime uint64   `json:"genesisTime"`
	Bootnodes   []string `json:"bootnodes"`
}

// ErrUnknownNetwork: no public network that this package knows.
var ErrUnknownNetwork = errors.New("forks: unknown network")

// Names returns the names of the public networks that this package knows.
func Names() (list []string) {
	files, err := networkFiles.ReadDir("networks")
	if err != nil {
		return nil // the files are part of the program
	}
	for _, f := range files {
		list = append(list, strings.TrimSuffix(f.Name(), ".json"))
	}
	return list
}

func loadNetwork(name string) (n networkFile, err error) {
	if names := Names(); !slices.Contains(names, name) {
		return n, fmt.Errorf("%w %s: want %s", ErrUnknownNetwork, quote.Short(name), quote.Choices(names))
	}
	text, err := networkFiles.ReadFile("networks/" + name + ".json")
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	return n, err
}

// Network is a public network, as this package knows it.
type Network struct {
	Chain Chain
	// Bootnodes are the bootnodes that the network has published, as records and enode URLs.
	Bootnodes []string
	// Sources and Date say where the data is from.
	Sources []string
	Date    string
}

// Public returns a layer of a public network. Its error wraps ErrUnknownNetwork.
func Public(name string, layer Layer) (Network, error) {
	n, err := loadNetwork(name)
	if err != nil {
		return Network{}, err
	}
	var p Network
	data := n.Consensus.networkData
	if layer == ExecutionLayer {
		data = n.Execution.networkData
		p.Chain, err = n.execution(name)
	} else {
		p.Chain, err = n.consensus(name, 0)
	}
	p.Bootnodes, p.Sources, p.Date = data.Bootnodes, data.Sources, data.Date
	return p, err
}

// ByName returns a layer of a public network. Its error wraps ErrUnknownNetwork.
func ByName(name string, layer Layer) (Chain, error) {
	n, err := Public(name, layer)
	return n.Chain, err
}

// PublicConsensus returns the configuration of the consensus layer of a public network, for callers
// that change it. Its error wraps ErrUnknownNetwork.
func PublicConsensus(name string) (ConsensusConfig, error) {
	n, err := loadNetwork(name)
	if err != nil {
		return ConsensusConfig{}, err
	}
	return n.consensusConfig(name)
}

func (n *networkFile) consensus(name string, grace time.Duration) (Chain, error) {
	c, err := n.consensusConfig(name)
	if err != nil {
		return nil, err
	}
	c.Grace = grace
	return NewConsensus(c)
}

func (n *networkFile) consensusConfig(name string) (c ConsensusConfig, err error) {
	d := &n.Consensus
	c = ConsensusConfig{
		Name: name, GenesisTime: d.GenesisTime, SlotDuration: time.Duration(d.SlotMillis) * time.Millisecond,
		SlotsPerEpoch: d.SlotsPerEpoch, MaxBlobsElectra: d.MaxBlobsElectra,
	}
	if c.GenesisValidatorsRoot, err = ParseRoot(d.GenesisValidatorsRoot); err != nil {
		return c, err
	}
	for _, f := range d.Forks {
		version, err := parseHex(f.Version, 4)
		if err != nil {
			return c, err
		}
		c.Forks = append(c.Forks, ConsensusFork{f.Name, [4]byte(version), f.Epoch})
	}
	for _, p := range d.BlobSchedule {
		c.BlobSchedule = append(c.BlobSchedule, BlobParameters{p.Epoch, p.MaxBlobs})
	}
	return c, nil
}

func (n *networkFile) execution(name string) (Chain, error) {
	c := ExecutionConfig{Name: name, GenesisTime: n.Execution.GenesisTime}
	var err error
	if c.GenesisHash, err = ParseRoot(n.Execution.GenesisHash); err != nil {
		return nil, err
	}
	for _, f := range n.Execution.BlockForks {
		c.BlockForks = append(c.BlockForks, ExecutionFork{f.Name, f.Block})
	}
	for _, f := range n.Execution.TimeForks {
		c.TimeForks = append(c.TimeForks, ExecutionFork{f.Name, f.Time})
	}
	return NewExecution(c)
}
