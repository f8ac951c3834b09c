package table

import (
	"time"

	"github.com/fastdisc/discv5/enr"
)

// Defaults of Config and fixed sizes.
const (
	// DefaultBucketSize is k, the number of members of a bucket (discv5-theory.md, Node Table).
	DefaultBucketSize = 16
	// DefaultReplacements is the length of a bucket's replacement cache.
	DefaultReplacements = 10
	// MaxBucketSize bounds BucketSize and Replacements, and with them every per-bucket scan.
	MaxBucketSize = 64
	// DefaultTurnover is the pause between two exchanges of a live member for a node of a prefix
	// with fewer members.
	DefaultTurnover = 10 * time.Second
	// DefaultRevalidateFast is the pause before a node in doubt is checked again.
	DefaultRevalidateFast = 3 * time.Second
	// DefaultRevalidateSlow is the first pause between two checks of a verified node.
	DefaultRevalidateSlow = 30 * time.Second
	// DefaultBucketRefresh is the age from which a bucket needs a refresh lookup.
	DefaultBucketRefresh = 15 * time.Minute
	// FirstCheckDelay is the pause between Add and the first check of a node. A peer that has just
	// completed a handshake waits for its own responses, and a PING that crosses them helps nobody.
	FirstCheckDelay = 500 * time.Millisecond
	// CheckTimeout is the time for which Due does not return a node once more without a MarkLive or
	// MarkFailed.
	CheckTimeout = 10 * time.Second
)

// Config configures a Table. The zero value of every field but Self stands for its default.
type Config struct {
	// Self is the local node ID. Distances are measured from it.
	Self enr.ID
	// BucketSize is k, 1..MaxBucketSize.
	BucketSize int
	// Replacements is the length of each replacement cache, at most MaxBucketSize; negative for
	// none.
	Replacements int
	// BucketLimits bounds the members and replacements of one bucket whose Addr lies in one
	// prefix, TableLimits the members of the whole table. Loopback is exempt, and so are private
	// addresses while SetExemptPrivate says so.
	BucketLimits, TableLimits Limits
	// Turnover is the pause between two exchanges of a member of a bucket for a node of a prefix
	// with fewer members; negative for no exchanges.
	Turnover time.Duration
	// InboundLimit bounds the members of one bucket that contacted us first. More wait in the
	// replacement cache. 0 means no separate limit.
	InboundLimit int
	// RevalidateFast is the pause before an unverified or failing node is checked again. The pause
	// doubles with every consecutive failure.
	RevalidateFast time.Duration
	// RevalidateSlow is the pause before a node verified once is checked again. The pause grows
	// with every success, up to ten times RevalidateSlow.
	RevalidateSlow time.Duration
	// BucketRefresh is the age from which RefreshTarget offers a bucket.
	BucketRefresh time.Duration
	// LowPorts allows to relay nodes for endpoints with ports below 1024.
	LowPorts bool
	// Seed starts the generator of the jitter in check times. Equal seeds and equal calls give
	// equal schedules.
	Seed uint64
	// OnChange, if not nil, is called with every change of membership and liveness. It runs on the
	// goroutine that caused the change, without locks, so it may call the table. Events of
	// concurrent calls for one node may arrive in either order.
	OnChange func(Event)
	// Trusted, if not nil, names nodes that no limit by prefix applies to, that count for none, and
	// that are neither dropped when they fail nor displaced by others. The table asks it about each
	// node that is new. It must be quick and must not call the table.
	Trusted func(enr.ID) bool
	// Filter, if not nil, refuses the nodes for which it returns false. Add calls it first for each
	// well-formed node, without locks.
	Filter func(Node) bool
}

// withDefaults returns the configuration with every unset or unusable field replaced.
func (c Config) withDefaults() Config {
	c.BucketSize = orDefault(c.BucketSize, DefaultBucketSize)
	if c.BucketSize < 1 {
		c.BucketSize = 1
	}
	c.BucketSize = min(c.BucketSize, MaxBucketSize)
	c.Replacements = min(orDefault(c.Replacements, DefaultReplacements), MaxBucketSize)
	c.BucketLimits = c.BucketLimits.WithDefaults(DefaultBucketLimits)
	c.TableLimits = c.TableLimits.WithDefaults(DefaultTableLimits)
	if c.Turnover == 0 {
		c.Turnover = DefaultTurnover
	}
	if c.InboundLimit <= 0 {
		c.InboundLimit = c.BucketSize
	}
	if c.RevalidateFast <= 0 {
		c.RevalidateFast = DefaultRevalidateFast
	}
	if c.RevalidateSlow <= 0 {
		c.RevalidateSlow = DefaultRevalidateSlow
	}
	if c.BucketRefresh <= 0 {
		c.BucketRefresh = DefaultBucketRefresh
	}
	return c
}

func orDefault(v, def int) int {
	if v == 0 {
		return def
	}
	return v
}
