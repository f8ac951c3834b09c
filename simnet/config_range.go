package simnet

import (
	"errors"
	"time"

	"github.com/fastdisc/discv5/internal/ranges"
	"github.com/fastdisc/discv5/table"
	"github.com/fastdisc/discv5/topic"
)

// ErrConfig is wrapped by errors about a configuration with a number out of range. They are
// *RangeErrors.
var ErrConfig = errors.New("simnet: invalid configuration")

// RangeError says which number of a configuration is out of range, what it is, and what the range
// is. It wraps ErrConfig.
type RangeError = ranges.Error

const (
	// maxEntries bounds everything that configurations count.
	maxEntries = ranges.MaxEntries
	// maxRate bounds events in an hour, and shares that may be over 1.
	maxRate = 1e9
	// maxTime bounds the times of a single datagram or task.
	maxTime = time.Hour
)

const orNone = ranges.Default + " and a negative value for none"

func share(field string, v float64) error { return ranges.Check(ErrConfig, field, v, 0, 1, "") }

func rate(field string, v float64) error { return ranges.Check(ErrConfig, field, v, 0, maxRate, "") }

func moment(field string, v time.Duration) error {
	return ranges.Check(ErrConfig, field, v, 0, maxTime, "")
}

func period(field string, v time.Duration) error {
	return ranges.Check(ErrConfig, field, v, 1, ranges.MaxPeriod, ranges.Default)
}

func number(field string, v int) error {
	return ranges.Check(ErrConfig, field, v, 1, maxEntries, ranges.Default)
}

func (c *Config) check() error {
	return ranges.First(
		ranges.Within(c.Conditions.check(), ErrConfig, "Conditions"), moment("TaskTime", c.TaskTime),
		ranges.Check(ErrConfig, "Audit", max(c.Audit, 0), 1, maxEntries, orNone), number("Records", c.Records))
}

func (c *Conditions) check() error {
	return ranges.First(moment("Jitter", c.Jitter), share("Loss", c.Loss), share("Duplicate", c.Duplicate), share("Reorder", c.Reorder))
}

func (c *NATConfig) check() error {
	return ranges.First(ranges.Check(ErrConfig, "Kind", c.Kind, FullCone, Symmetric, ""),
		period("Timeout", c.Timeout), number("MaxMappings", c.MaxMappings))
}

func (t *Tuning) check() error {
	return ranges.First(period("RevalidateSlow", t.RevalidateSlow),
		ranges.Check(ErrConfig, "Replacements", max(t.Replacements, 0), 1, table.MaxBucketSize, orNone))
}

func (c *SwarmConfig) check() error {
	return ranges.First(
		ranges.Check(ErrConfig, "Nodes", c.Nodes, 0, maxEntries, ""), number("Bootnodes", c.Bootnodes),
		period("Join", c.Join), rate("Churn", c.Churn), share("Return", c.Return),
		ranges.Check(ErrConfig, "Downtime", c.Downtime, 0, ranges.MaxPeriod, ""),
		share("NAT", c.NAT), share("IPv6", c.IPv6), share("DualStack", c.DualStack),
		ranges.Within(c.Tuning.check(), ErrConfig, "Tuning"), rate("Lookups", c.Lookups), period("Settled", c.Settled),
		ranges.Within(c.Topics.check(), ErrConfig, "Topics"))
}

func (c *TopicsConfig) check() error {
	return ranges.First(
		ranges.Check(ErrConfig, "Topics", c.Topics, 0, maxEntries, ""), ranges.Check(ErrConfig, "Zipf", c.Zipf, 0, 100, ""),
		ranges.Check(ErrConfig, "Capable", c.Capable, 0, 1, ranges.Default), rate("Lookups", c.Lookups),
		period("LeadIn", c.LeadIn), share("Hostile", c.Hostile),
		ranges.Check(ErrConfig, "WaitScale", c.WaitScale, topic.MinWaitScale, topic.MaxWaitScale, ranges.Default))
}
