package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/internal/ranges"
	"github.com/fastdisc/discv5/limits"
)

// Mode is where a Filter drops datagrams.
type Mode uint8

// Modes.
const (
	Auto   Mode = iota // the first of XDP, TC and Socket that the system allows
	None               // nowhere
	Socket             // at the socket
	TC                 // TCX on the interfaces
	XDP                // XDP on the interfaces
)

var modeNames = [...]string{Auto: "auto", None: "none", Socket: "socket", TC: "tc", XDP: "xdp"}

// String returns the name of the mode.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// ParseMode is the inverse of Mode.String.
func ParseMode(s string) (Mode, error) {
	if i := slices.Index(modeNames[:], s); i >= 0 {
		return Mode(i), nil
	}
	return None, fmt.Errorf("%w: mode %s, want %s", ErrConfig, quote.Short(s), strings.Join(modeNames[:], ", "))
}

// ErrConfig is wrapped by every error about an unusable Config.
var ErrConfig = errors.New("filter: invalid configuration")

// DefaultPrefixRate limits the unknown sources of one /24 or /64. A session starts with two
// datagrams, so about 30 nodes of one network can make contact each second.
func DefaultPrefixRate() limits.Rate { return limits.Rate{PerSecond: 64, Burst: 128} }

// DefaultTotalRate limits all unknown sources together. Each datagram can cost a WHOAREYOU, which
// takes a few microseconds, and lets HandshakePackets more through. A busy bootnode meets some
// hundred new nodes a second.
func DefaultTotalRate() limits.Rate { return limits.Rate{PerSecond: 2048, Burst: 4096} }

const (
	// HandshakeTime is how long a source that a bucket has let through may send more.
	HandshakeTime = 2 * time.Second
	// HandshakePackets is the number of datagrams that it may send: the handshake, and a second
	// message or a retry. A new node whose packets are lost more often is charged once more.
	HandshakePackets = 2

	// Prefixes is the number of prefixes whose bucket is remembered. A forgotten prefix has a full
	// bucket.
	Prefixes = 65536
	// Handshakes is the number of sources with a handshake under way that are remembered.
	Handshakes = 32768
	// Locals is the largest number of the node's own endpoints.
	Locals = 4096

	// maxBurst bounds the burst of a rate.
	maxBurst = 1 << 20
)

// Config configures a Filter. The zero value is usable.
type Config struct {
	Mode Mode
	// Interfaces are the names of the network interfaces for TC and XDP. Default: those that have
	// an address of the node, apart from the loopback interface.
	Interfaces []string
	// PrefixRate limits the unknown sources of one /24 or /64, TotalRate all of them together.
	// Defaults: DefaultPrefixRate and DefaultTotalRate.
	PrefixRate, TotalRate limits.Rate
}

// withDefaults returns cfg with defaults filled in.
func (cfg Config) withDefaults() (Config, error) {
	if int(cfg.Mode) >= len(modeNames) {
		return cfg, fmt.Errorf("%w: %v", ErrConfig, cfg.Mode)
	}
	for _, r := range []struct {
		name string
		rate *limits.Rate
		def  limits.Rate
	}{{"PrefixRate", &cfg.PrefixRate, DefaultPrefixRate()}, {"TotalRate", &cfg.TotalRate, DefaultTotalRate()}} {
		if *r.rate == (limits.Rate{}) {
			*r.rate = r.def
		}
		if err := ranges.First(
			ranges.Check(ErrConfig, r.name+".PerSecond", r.rate.PerSecond, 1, limits.MaxPerSecond, ""),
			ranges.Check(ErrConfig, r.name+".Burst", r.rate.Burst, 1, maxBurst, "0 for PerSecond"),
		); err != nil {
			return cfg, err
		}
		if r.rate.PerSecond == 0 {
			return cfg, fmt.Errorf("%w: %s.Burst without PerSecond", ErrConfig, r.name)
		}
		if r.rate.Burst == 0 {
			r.rate.Burst = min(r.rate.PerSecond, maxBurst)
		}
	}
	return cfg, nil
}

// bucket is a rate in nanoseconds: the time of one datagram, and of Burst datagrams.
type bucket struct{ interval, depth int64 }

func newBucket(r limits.Rate) bucket {
	interval := int64(time.Second) / int64(r.PerSecond)
	return bucket{interval, interval * int64(r.Burst)}
}
