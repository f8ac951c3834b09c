package forks

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fastdisc/discv5/internal/quote"
)

// MaxConfigSize bounds a configuration of a chain, in bytes.
const MaxConfigSize = 16 << 20

// ErrTooLarge: a configuration of more than MaxConfigSize bytes.
var ErrTooLarge = errors.New("forks: configuration of more than 16 MiB")

// ErrNotConfig: a text that is not a config.yaml.
var ErrNotConfig = errors.New("forks: not a config.yaml: want KEY: VALUE lines")

// ConfigError is an error about a key of a chain's configuration.
type ConfigError struct {
	Key string
	Err error
}

// Error implements error.
func (e *ConfigError) Error() string { return "forks: " + quote.Short(e.Key) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// Causes of a ConfigError.
var (
	ErrMissing = errors.New("missing")
	ErrValue   = errors.New("not a value of this key")
	ErrPreset  = errors.New("unknown preset; set SLOTS_PER_EPOCH")
)

// suffixes of keys.
const (
	suffixEpoch   = "_FORK_EPOCH"
	suffixVersion = "_FORK_VERSION"
)

// ParseConsensusConfig reads a config.yaml of the consensus layer. The file does not have the
// genesis validators root: set GenesisValidatorsRoot. GenesisTime is the earliest one that the file
// allows, MIN_GENESIS_TIME and GENESIS_DELAY later; that of a public network differs. See
// ParseGenesisState for both.
func ParseConsensusConfig(r io.Reader) (ConsensusConfig, error) {
	var c ConsensusConfig
	text, err := readAll(r)
	if err != nil {
		return c, err
	}
	var keys map[string]yaml.Node
	if err := yaml.Unmarshal(text, &keys); err != nil {
		return c, notConfig(err)
	}
	p := configParser{keys: keys}
	c.Name = p.text("CONFIG_NAME")
	c.GenesisTime = p.number("MIN_GENESIS_TIME", nil) + p.number("GENESIS_DELAY", new(uint64))
	c.SlotsPerEpoch = p.slotsPerEpoch()
	millis := p.number("SLOT_DURATION_MS", new(uint64))
	if millis == 0 {
		millis = p.number("SECONDS_PER_SLOT", nil)
		if millis > maxUnix {
			millis = maxUnix
		}
		millis *= 1000
	}
	c.SlotDuration = time.Duration(min(millis, maxUnix)) * time.Millisecond
	electra := uint64(9)
	c.MaxBlobsElectra = p.number("MAX_BLOBS_PER_BLOCK_ELECTRA", &electra)
	c.Forks = []ConsensusFork{{Name: "phase0", Version: p.version("GENESIS_FORK_VERSION")}}
	for _, key := range p.forkKeys() {
		name := strings.TrimSuffix(key, suffixEpoch)
		f := ConsensusFork{Name: strings.ToLower(name), Epoch: p.number(key, nil)}
		if f.Epoch == FarFuture && !p.has(name+suffixVersion) {
			continue
		}
		f.Version = p.version(name + suffixVersion)
		c.Forks = append(c.Forks, f)
	}
	c.BlobSchedule = p.blobSchedule()
	return c, p.err
}

// lineOf finds the number of a line in an error of package yaml.
var lineOf = regexp.MustCompile(`line ([0-9]+)`)

// notConfig returns ErrNotConfig with the line of an error of package yaml. The rest of that error
// names types of Go and quotes the file, which may be any file.
func notConfig(err error) error {
	if line := lineOf.FindString(err.Error()); line != "" {
		return fmt.Errorf("%w (%s)", ErrNotConfig, line)
	}
	return ErrNotConfig
}

func readAll(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxConfigSize+1))
	if err == nil && len(text) > MaxConfigSize {
		err = ErrTooLarge
	}
	return bytes.TrimPrefix(text, []byte("\ufeff")), err
}

// configParser reads keys of a config.yaml. It keeps the first error.
type configParser struct {
	keys map[string]yaml.Node
	err  error
}

func (p *configParser) fail(key string, err error) {
	if p.err == nil {
		p.err = &ConfigError{key, err}
	}
}

func (p *configParser) has(key string) bool {
	_, ok := p.keys[key]
	return ok
}

// text returns the text of a key as it is in the file, so that the digits of a version stay, or "".
func (p *configParser) text(key string) string {
	n, ok := p.keys[key]
	if ok && n.Kind != yaml.ScalarNode {
		p.fail(key, ErrValue)
	}
	return n.Value
}

// number returns the value of a key. missing is the value of a key that is not there; nil makes
// that an error.
func (p *configParser) number(key string, missing *uint64) uint64 {
	if !p.has(key) {
		if missing != nil {
			return *missing
		}
		p.fail(key, ErrMissing)
		return 0
	}
	v, err := strconv.ParseUint(p.text(key), 10, 64)
	if err != nil {
		p.fail(key, fmt.Errorf("%w: %s is not a number", ErrValue, quote.Short(p.text(key))))
	}
	return v
}

func (p *configParser) version(key string) (v [4]byte) {
	if !p.has(key) {
		p.fail(key, ErrMissing)
		return v
	}
	b, err := parseHex(p.text(key), len(v))
	if err != nil {
		p.fail(key, err)
		return v
	}
	return [4]byte(b)
}

// presets are the slots of an epoch of the presets.
var presets = map[string]uint64{"mainnet": 32, "minimal": 8, "gnosis": 16}

func (p *configParser) slotsPerEpoch() uint64 {
	if p.has("SLOTS_PER_EPOCH") {
		return p.number("SLOTS_PER_EPOCH", nil)
	}
	n, ok := presets[p.text("PRESET_BASE")]
	switch {
	case !p.has("PRESET_BASE"):
		p.fail("PRESET_BASE", ErrMissing)
	case !ok:
		p.fail("PRESET_BASE", ErrPreset)
	}
	return n
}

// forkKeys returns the keys with epochs of forks: those that this package knows in their order, and
// others by their epochs.
func (p *configParser) forkKeys() (list []string) {
	for key := range p.keys {
		if strings.HasSuffix(key, suffixEpoch) {
			list = append(list, key)
		}
	}
	slices.Sort(list)
	slices.SortStableFunc(list, func(a, b string) int {
		if c := rank(nameOf(a)) - rank(nameOf(b)); c != 0 {
			return c
		}
		return cmpUint(p.number(a, nil), p.number(b, nil))
	})
	return list
}

func nameOf(key string) string { return strings.ToLower(strings.TrimSuffix(key, suffixEpoch)) }

// blobSchedule returns the list of BLOB_SCHEDULE, which may be missing.
func (p *configParser) blobSchedule() (list []BlobParameters) {
	const key = "BLOB_SCHEDULE"
	n, ok := p.keys[key]
	if !ok || n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	var entries []map[string]yaml.Node
	if err := n.Decode(&entries); err != nil {
		p.fail(key, ErrValue)
		return nil
	}
	for _, e := range entries {
		entry := configParser{keys: e}
		list = append(list, BlobParameters{entry.number("EPOCH", nil), entry.number("MAX_BLOBS_PER_BLOCK", nil)})
		if entry.err != nil {
			p.fail(key, entry.err)
		}
	}
	return list
}

// parseHex parses a number of bytes, written in hexadecimal with or without 0x.
func parseHex(s string, size int) ([]byte, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil || len(b) != size {
		return nil, fmt.Errorf("%w: %s is not %d bytes in hexadecimal", ErrValue, quote.Short(s), size)
	}
	return b, nil
}

// ParseRoot parses 32 bytes, such as a genesis validators root or the hash of a block, written in
// hexadecimal with or without 0x.
func ParseRoot(s string) (root [32]byte, err error) {
	b, err := parseHex(strings.TrimSpace(s), len(root))
	if err != nil {
		return root, fmt.Errorf("forks: %w", err)
	}
	return [32]byte(b), nil
}

// ErrGenesisState: a file that is not a genesis state.
var ErrGenesisState = errors.New("forks: not a genesis state: want at least 40 bytes of SSZ")

// ParseGenesisState reads the genesis time and the genesis validators root from the beginning of a
// genesis.ssz, the SSZ BeaconState of genesis. It reads 40 bytes only.
func ParseGenesisState(r io.Reader) (genesisTime uint64, validatorsRoot [32]byte, err error) {
	var b [40]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = ErrGenesisState
		}
		return 0, validatorsRoot, err
	}
	if genesisTime = binary.LittleEndian.Uint64(b[:]); genesisTime > maxUnix {
		return 0, validatorsRoot, fmt.Errorf("%w: genesis time %d", ErrGenesisState, genesisTime)
	}
	return genesisTime, [32]byte(b[8:]), nil
}
