package forks

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/internal/rlp"
)

// genesisFile is the genesis.json of go-ethereum.
type genesisFile struct {
	Config        map[string]json.RawMessage `json:"config"`
	Nonce         quantity                   `json:"nonce"`
	Timestamp     quantity                   `json:"timestamp"`
	ExtraData     blob                       `json:"extraData"`
	GasLimit      quantity                   `json:"gasLimit"`
	Difficulty    *quantity                  `json:"difficulty"`
	MixHash       blob                       `json:"mixHash"`
	Coinbase      blob                       `json:"coinbase"`
	Alloc         map[string]genesisAccount  `json:"alloc"`
	Number        quantity                   `json:"number"`
	GasUsed       quantity                   `json:"gasUsed"`
	ParentHash    blob                       `json:"parentHash"`
	BaseFee       *quantity                  `json:"baseFeePerGas"`
	ExcessBlobGas *quantity                  `json:"excessBlobGas"`
	BlobGasUsed   *quantity                  `json:"blobGasUsed"`
	SlotNumber    *quantity                  `json:"slotNumber"`
}

type genesisAccount struct {
	Balance quantity        `json:"balance"`
	Nonce   quantity        `json:"nonce"`
	Code    blob            `json:"code"`
	Storage map[string]blob `json:"storage"`
}

// quantity is a number of at most 256 bits: a JSON number, or a string with digits, in hexadecimal
// after 0x.
type quantity struct{ big.Int }

// UnmarshalJSON implements json.Unmarshaler.
func (q *quantity) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" {
		return nil
	}
	digits, base := s, 10
	if rest, ok := strings.CutPrefix(s, "0x"); ok {
		digits, base = rest, 16
		if digits == "" {
			digits = "0"
		}
	}
	if len(digits) > 78 { // of 2^256, with room for leading zeros in hexadecimal
		return fmt.Errorf("%w: a number of %d digits", ErrValue, len(digits))
	}
	if _, ok := q.SetString(digits, base); !ok || q.Sign() < 0 || q.BitLen() > 256 {
		return fmt.Errorf("%w: %s is not a number", ErrValue, quote.Short(s))
	}
	return nil
}

// uint64 returns a number of at most 64 bits.
func (q *quantity) uint64(key string) (uint64, error) {
	if !q.IsUint64() {
		return 0, &ConfigError{key, fmt.Errorf("%w: more than 64 bits", ErrValue)}
	}
	return q.Uint64(), nil
}

// blob is bytes in hexadecimal, with or without 0x.
type blob []byte

// UnmarshalJSON implements json.Unmarshaler.
func (d *blob) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	raw, err := decodeHex(s)
	*d = raw
	return err
}

func decodeHex(s string) ([]byte, error) {
	digits := strings.TrimPrefix(s, "0x")
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not hexadecimal", ErrValue, quote.Short(s))
	}
	return b, nil
}

// padded returns bytes with leading zeros, as many as a field has.
func padded(key string, b []byte, size int) ([]byte, error) {
	if len(b) > size {
		return nil, &ConfigError{key, fmt.Errorf("%w: %d bytes, want %d", ErrValue, len(b), size)}
	}
	return append(make([]byte, size-len(b)), b...), nil
}

// executionOrder lists the forks of the execution layer that have a key of their own in
// genesis.json, oldest first. Others come last.
var executionOrder = []string{
	"homestead", "daoFork", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul",
	"muirGlacier", "berlin", "london", "arrowGlacier", "grayGlacier", "mergeNetsplit",
	"shanghai", "cancun", "prague", "osaka", "bpo1", "bpo2", "bpo3", "bpo4", "bpo5", "amsterdam", "bogota",
}

// ErrGenesis: a file that is not a genesis.json of go-ethereum.
var ErrGenesis = errors.New("forks: not a genesis.json")

// ParseGenesis reads a genesis.json of go-ethereum: the forks in "config", which are the keys that
// end in Block and Time, and the genesis block, whose hash it computes from the other keys. Name is
// empty.
func ParseGenesis(r io.Reader) (ExecutionConfig, error) {
	var c ExecutionConfig
	text, err := readAll(r)
	if err != nil {
		return c, err
	}
	var g genesisFile
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&g); err != nil {
		return c, fmt.Errorf("%w: %w", ErrGenesis, err)
	}
	if g.Config == nil || g.Alloc == nil {
		return c, fmt.Errorf("%w: \"config\" or \"alloc\" is missing", ErrGenesis)
	}
	if c.GenesisTime, err = g.Timestamp.uint64("timestamp"); err != nil {
		return c, err
	}
	for _, key := range g.forkKeys() {
		f, ok, err := g.fork(key)
		if err != nil {
			return c, err
		}
		switch {
		case !ok:
		case strings.HasSuffix(key, "Time"):
			c.TimeForks = append(c.TimeForks, f)
		default:
			c.BlockForks = append(c.BlockForks, f)
		}
	}
	c.GenesisHash, err = g.hash(c)
	return c, err
}

// forkKeys returns the keys of "config" that may be forks, in the order of executionOrder.
func (g *genesisFile) forkKeys() (list []string) {
	for key := range g.Config {
		if strings.HasSuffix(key, "Block") || strings.HasSuffix(key, "Time") {
			list = append(list, key)
		}
	}
	at := func(key string) int {
		if i := slices.Index(executionOrder, forkName(key)); i >= 0 {
			return i
		}
		return len(executionOrder)
	}
	slices.Sort(list)
	slices.SortStableFunc(list, func(a, b string) int { return at(a) - at(b) })
	return list
}

func forkName(key string) string {
	return strings.TrimSuffix(strings.TrimSuffix(key, "Block"), "Time")
}

// fork returns the fork of a key, and false for null.
func (g *genesisFile) fork(key string) (f ExecutionFork, ok bool, err error) {
	raw := g.Config[key]
	if string(raw) == "null" {
		return f, false, nil
	}
	var q quantity
	if err := q.UnmarshalJSON(raw); err != nil {
		return f, false, &ConfigError{key, err}
	}
	f.Name = forkName(key)
	f.At, err = q.uint64(key)
	return f, err == nil, err
}

// active reports whether a fork is in force in the genesis block.
func active(list []ExecutionFork, name string, at uint64) bool {
	return slices.ContainsFunc(list, func(f ExecutionFork) bool { return f.Name == name && f.At <= at })
}

// hash returns the hash of the genesis block.
func (g *genesisFile) hash(c ExecutionConfig) (hash [32]byte, err error) {
	root, err := g.stateRoot()
	if err != nil {
		return hash, err
	}
	emptyRoot, emptyList := trieRoot(nil), keccak(rlpList())
	fixed := func(key string, b []byte, size int) []byte {
		p, e := padded(key, b, size)
		if err == nil {
			err = e
		}
		return rlp.AppendString(nil, p)
	}
	number := func(key string, q *quantity) []byte {
		n, e := q.uint64(key)
		if err == nil {
			err = e
		}
		return rlp.AppendUint64(nil, n)
	}
	gasLimit := g.GasLimit
	if gasLimit.Sign() == 0 {
		gasLimit.SetUint64(4712388) // what go-ethereum takes for a missing one
	}
	fields := [][]byte{
		fixed("parentHash", g.ParentHash, 32), rlp.AppendString(nil, emptyList[:]), fixed("coinbase", g.Coinbase, 20),
		rlp.AppendString(nil, root[:]), rlp.AppendString(nil, emptyRoot[:]), rlp.AppendString(nil, emptyRoot[:]),
		rlp.AppendString(nil, make([]byte, 256)), rlpBig(g.difficulty()), number("number", &g.Number), number("gasLimit", &gasLimit),
		number("gasUsed", &g.GasUsed), number("timestamp", &g.Timestamp), rlp.AppendString(nil, g.ExtraData),
		fixed("mixHash", g.MixHash, 32), fixed("nonce", g.Nonce.Bytes(), 8),
	}
	or := func(q *quantity, missing uint64) *quantity {
		if q == nil {
			q = new(quantity)
			q.SetUint64(missing)
		}
		return q
	}
	n := g.Number.Uint64()
	london := active(c.BlockForks, "london", n)
	inForce := func(name string) bool { return london && active(c.TimeForks, name, c.GenesisTime) }
	if london || g.BaseFee != nil {
		fields = append(fields, rlpBig(&or(g.BaseFee, 1e9).Int)) // EIP-1559
	}
	if inForce("shanghai") {
		fields = append(fields, rlp.AppendString(nil, emptyRoot[:])) // EIP-4895, withdrawals
	}
	if inForce("cancun") { // EIP-4844, EIP-4788
		fields = append(fields, number("blobGasUsed", or(g.BlobGasUsed, 0)), number("excessBlobGas", or(g.ExcessBlobGas, 0)),
			rlp.AppendString(nil, make([]byte, 32)))
	}
	if inForce("prague") { // EIP-7685: the SHA-256 of no requests
		requests, _ := hex.DecodeString("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
		fields = append(fields, rlp.AppendString(nil, requests))
	}
	if inForce("amsterdam") { // EIP-7928, EIP-7843
		fields = append(fields, rlp.AppendString(nil, emptyList[:]), number("slotNumber", or(g.SlotNumber, 0)))
	}
	if err != nil {
		return hash, err
	}
	return keccak(rlpList(fields...)), nil
}

// difficulty returns the difficulty, or what go-ethereum takes for a missing one.
func (g *genesisFile) difficulty() *big.Int {
	if g.Difficulty != nil {
		return &g.Difficulty.Int
	}
	if _, ethash := g.Config["ethash"]; !ethash || bytes.Count(g.MixHash, []byte{0}) != len(g.MixHash) {
		return new(big.Int)
	}
	return big.NewInt(131072)
}

// stateRoot returns the root of the state of the genesis block.
func (g *genesisFile) stateRoot() (root [32]byte, err error) {
	accounts := make([]leaf, 0, len(g.Alloc))
	for name, a := range g.Alloc {
		address, err := decodeHex(name)
		if err != nil || len(address) != 20 {
			return root, &ConfigError{"alloc", fmt.Errorf("%w: %s is not an address", ErrValue, quote.Short(name))}
		}
		storage, err := a.storageRoot()
		if err != nil {
			return root, &ConfigError{"alloc", fmt.Errorf("account %s: %w", name, err)}
		}
		code := keccak(a.Code)
		accounts = append(accounts, newLeaf(address, rlpList(rlpBig(&a.Nonce.Int), rlpBig(&a.Balance.Int),
			rlp.AppendString(nil, storage[:]), rlp.AppendString(nil, code[:]))))
	}
	return trieRoot(accounts), nil
}

// storageRoot returns the root of an account's storage.
func (a *genesisAccount) storageRoot() (root [32]byte, err error) {
	var slots []leaf
	for key, value := range a.Storage {
		k, err := decodeHex(key)
		if err == nil {
			k, err = padded("storage", k, 32)
		}
		if err != nil {
			return root, err
		}
		if value, err = padded("storage", value, 32); err != nil {
			return root, err
		}
		if value = bytes.TrimLeft(value, "\x00"); len(value) > 0 {
			slots = append(slots, newLeaf(k, rlp.AppendString(nil, value)))
		}
	}
	return trieRoot(slots), nil
}
