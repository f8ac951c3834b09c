package discv5

import (
	"fmt"
	"time"

	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/ranges"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/table"
)

// RangeError says which number of a Config, or of an option of a method, is out of range, what it
// is, and what the range is. It wraps ErrConfig. Zero always stands for the default. Find one with
// errors.As and a *RangeError.
type RangeError = ranges.Error

// Bounds of a Config.
const (
	// maxEntries bounds the tables whose size a Config sets, and so their memory.
	maxEntries = ranges.MaxEntries
	// maxResend bounds the retries of a request.
	maxResend = 100
	// minPeriod is the shortest period of periodic work.
	minPeriod = time.Millisecond
)

// Texts about the values that fields allow out of their range.
const (
	defaultOrOff   = ranges.Default + " and a negative value for none"
	defaultOrNever = ranges.Default + " and a negative value for never"
	noLimit        = "0 for no limit"
)

// checkNumbers returns a *RangeError for the first field that holds a number out of its range.
func (c *Config) checkNumbers() error {
	for _, f := range []struct {
		name      string
		v, lo, hi int
		otherwise string
	}{
		{"DetectAddress", c.DetectAddress, -1, MaxDetectAddress, ranges.Default},
		{"ReachMisses", c.ReachMisses, 1, maxEntries, ranges.Default},
		{"Sockets", c.Sockets, 1, fastpath.MaxSockets, ranges.Default},
		{"RecvBuffer", c.RecvBuffer, 1, fastpath.MaxBuffer, ranges.Default},
		{"SendBuffer", c.SendBuffer, 1, fastpath.MaxBuffer, ranges.Default},
		{"MaxSessions", c.MaxSessions, 1, maxEntries, ranges.Default},
		{"MaxChallenges", c.MaxChallenges, 1, maxEntries, ranges.Default},
		{"Resend", c.Resend, 0, maxResend, ""},
		{"InboundLimit", c.InboundLimit, 1, table.DefaultBucketSize, noLimit},
		{"ExemptPrivate", int(c.ExemptPrivate), int(ExemptAuto), int(ExemptNever), ""},
		{"MaxRequests", c.MaxRequests, 1, maxEntries, ranges.Default},
		{"MaxPeerRequests", c.MaxPeerRequests, 1, maxEntries, ranges.Default},
		{"MaxLookups", c.MaxLookups, 1, maxEntries, ranges.Default},
		{"MaxTasks", c.MaxTasks, 1, maxEntries, ranges.Default},
		{"MaxRecords", c.MaxRecords, 1, maxEntries, ranges.Default},
		{"TalkConcurrency", c.TalkConcurrency, 1, maxEntries, ranges.Default},
		{"TalkPerPeer", c.TalkPerPeer, 1, maxEntries, ranges.Default},
	} {
		if err := ranges.Check(ErrConfig, f.name, f.v, f.lo, f.hi, f.otherwise); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name      string
		v, hi     time.Duration
		otherwise string
	}{
		{"ReachWait", max(c.ReachWait, 0), ranges.MaxPeriod, defaultOrNever},
		{"ReachRetry", c.ReachRetry, ranges.MaxPeriod, ranges.Default},
		{"SaveInterval", c.SaveInterval, ranges.MaxPeriod, ranges.Default},
		{"SessionIdleTimeout", c.SessionIdleTimeout, ranges.MaxPeriod, ranges.Default},
		{"RequestTimeout", c.RequestTimeout, MaxRequestTimeout, ranges.Default},
		{"RefreshInterval", c.RefreshInterval, ranges.MaxPeriod, ranges.Default},
	} {
		if err := ranges.Check(ErrConfig, f.name, f.v, minPeriod, f.hi, f.otherwise); err != nil {
			return err
		}
	}
	if err := c.Topics.validate(); err != nil {
		if err := ranges.Within(err, ErrConfig, "Topics"); err != nil {
			return err
		}
	}
	return ranges.First(
		checkPrefixLimits("BucketLimits", c.BucketLimits), checkPrefixLimits("TableLimits", c.TableLimits),
		checkRates("UnverifiedRates", c.UnverifiedRates), checkRates("HandshakeRates", c.HandshakeRates),
		checkRates("RequestRates", c.RequestRates), checkRates("TalkRates", c.TalkRates))
}

func checkPrefixLimits(field string, l PrefixLimits) error {
	check := func(name string, v int) error {
		return ranges.Check(ErrConfig, field+"."+name, max(v, 0), 1, maxEntries, defaultOrOff)
	}
	return ranges.First(check("Host", l.Host), check("Site", l.Site), check("Wide", l.Wide))
}

func checkRates(field string, r limits.Rates) error {
	for _, l := range []struct {
		name string
		rate limits.Rate
	}{{"Address", r.Address}, {"Prefix64", r.Prefix64}, {"Prefix56", r.Prefix56}, {"Network", r.Network}} {
		name := fmt.Sprintf("%s.%s.", field, l.name)
		if err := ranges.First(
			ranges.Check(ErrConfig, name+"PerSecond", l.rate.PerSecond, 1, limits.MaxPerSecond, noLimit),
			ranges.Check(ErrConfig, name+"Burst", l.rate.Burst, 1, limits.MaxBurst, "0 for PerSecond")); err != nil {
			return err
		}
	}
	return nil
}
