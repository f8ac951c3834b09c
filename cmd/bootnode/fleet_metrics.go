package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fastdisc/discv5/internal/fleet"
)

// fleetCollector exports the state of the fleet as metrics.
type fleetCollector struct {
	f      *fleetMember
	counts [fleet.NumCounts]*prometheus.Desc
	values []fleetValue
	role   *prometheus.Desc
}

// fleetValue is one value of the state.
type fleetValue struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*fleet.MemberState) float64
}

func newFleetCollector(f *fleetMember) *fleetCollector {
	c := &fleetCollector{f: f}
	for i := range c.counts {
		info := fleet.Count(i).Info()
		var labels []string
		if info.Label != "" {
			labels = []string{info.Label}
		}
		c.counts[i] = prometheus.NewDesc(namespace+info.Metric, info.Help, labels, nil)
	}
	add := func(kind prometheus.ValueType, name, help string, value func(*fleet.MemberState) float64) {
		c.values = append(c.values, fleetValue{prometheus.NewDesc(namespace+name, help, nil, nil), kind, value})
	}
	flag := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	add(prometheus.GaugeValue, "fleet_connected", "1 while a server of the fleet is connected.", func(s *fleet.MemberState) float64 { return flag(s.Conn.Connected) })
	add(prometheus.CounterValue, "fleet_reconnects_total", "Connections to the fleet after the first one.", func(s *fleet.MemberState) float64 { return float64(s.Conn.Reconnects) })
	add(prometheus.GaugeValue, "fleet_degraded", "1 while the fleet does not work; the node continues without it.", func(s *fleet.MemberState) float64 { return flag(s.Problem != "") })
	add(prometheus.GaugeValue, "fleet_members", "Members whose heartbeat arrives, this one included.", func(s *fleet.MemberState) float64 { return float64(len(s.Members)) })
	add(prometheus.GaugeValue, "fleet_nodes", "Nodes in the fleet at the last look.", func(s *fleet.MemberState) float64 { return float64(s.Nodes) })
	add(prometheus.GaugeValue, "fleet_bans", "Bans of other members in force.", func(s *fleet.MemberState) float64 { return float64(s.Bans) })
	lease := func(s *fleet.MemberState) fleet.LeaseState {
		if s.Lease == nil {
			return fleet.LeaseState{}
		}
		return *s.Lease
	}
	c.role = prometheus.NewDesc(namespace+"fleet_role", "1 for what this bootnode does for the shared identity: active, standby, or silenced while the lease cannot be renewed.", []string{"role"}, nil)
	add(prometheus.CounterValue, "fleet_takeovers_total", "Times that this bootnode became the active one.", func(s *fleet.MemberState) float64 { return float64(lease(s).Taken) })
	add(prometheus.CounterValue, "fleet_lease_errors_total", "Accesses to the lease of the shared identity that failed.", func(s *fleet.MemberState) float64 { return float64(lease(s).Failed) })
	add(prometheus.CounterValue, "fleet_losses_total", "Times that another bootnode took over.", func(s *fleet.MemberState) float64 { return float64(lease(s).Lost) })
	return c
}

// Describe implements prometheus.Collector.
func (c *fleetCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.counts {
		out <- d
	}
	for _, v := range c.values {
		out <- v.desc
	}
	out <- c.role
}

// Collect implements prometheus.Collector.
func (c *fleetCollector) Collect(out chan<- prometheus.Metric) {
	counts, s := c.f.member.Counts(), c.f.member.State()
	for i, d := range c.counts {
		info := fleet.Count(i).Info()
		var labels []string
		if info.Label != "" {
			labels = []string{info.Value}
		}
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(counts[i]), labels...)
	}
	for _, v := range c.values {
		out <- prometheus.MustNewConstMetric(v.desc, v.kind, v.value(&s))
	}
	for _, r := range []fleet.Role{fleet.Active, fleet.Standby, fleet.Silenced} {
		value := 0.0
		if s.Lease != nil && s.Lease.Role == r {
			value = 1
		}
		out <- prometheus.MustNewConstMetric(c.role, prometheus.GaugeValue, value, string(r))
	}
}
