package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/fastpath/xdp"
	"github.com/fastdisc/discv5/internal/cli"
)

// parseXDP parses the interfaces of --xdp.
func (o *options) parseXDP() error {
	for _, s := range o.xdpIn {
		i, err := xdp.ParseInterface(s)
		if err != nil {
			return fmt.Errorf("%s: %w", o.from("xdp"), err)
		}
		for _, other := range o.xdp {
			if other.Name == i.Name {
				return fmt.Errorf("%s: %s is listed twice", o.from("xdp"), i.Name)
			}
		}
		o.xdp = append(o.xdp, i)
	}
	return nil
}

// checkXDP checks that the interfaces of --xdp exist.
func (o *options) checkXDP() error {
	for _, i := range o.xdp {
		if _, err := net.InterfaceByName(i.Name); err != nil {
			return cli.Usagef("%s: there is no interface %s", o.from("xdp"), i.Name)
		}
	}
	return nil
}

// xdpError returns an error of a start as --xdp causes it, or err itself. An interface of the wrong
// kind is a mistake in the settings.
func (o *options) xdpError(err error) error {
	bad := errors.Is(err, xdp.ErrInterface)
	if !bad && !errors.Is(err, xdp.ErrUnsupported) {
		return err
	}
	err = fmt.Errorf("%s: %s", o.from("xdp"), cli.OneLine(err, "discv5", "accelerate", "xdp"))
	if bad {
		err = cli.Usage(err)
	}
	return err
}

// accelerate makes the node receive from the interfaces of --xdp, behind the filter of cfg if there
// is one: an interface has room for one XDP program.
func (o *options) accelerate(cfg *discv5.Config, log *slog.Logger) {
	if len(o.xdp) == 0 {
		return
	}
	x := xdp.Options{Interfaces: o.xdp, Logger: log}
	if f, ok := cfg.SourceFilter.(xdp.Filter); ok {
		x.Filter = f
	}
	cfg.Accelerate = xdp.Accelerate(x)
}

// accelerations returns the state of the interfaces of --xdp. It is the same for all addresses.
func accelerations(node *discv5.Node) []fastpath.Acceleration {
	return node.Sockets()[0].Accelerations
}

// logAccelerations logs the interfaces of --xdp after the start.
func (d *daemon) logAccelerations() {
	for _, a := range accelerations(d.node) {
		if a.Mode == "" {
			d.log.Warn("AF_XDP is off: the sockets of the system serve the node", "interface", a.Interface, "reason", a.Reason)
			continue
		}
		d.log.Info("AF_XDP receives for the node", "interface", a.Interface, "mode", a.Mode, "queues", a.Queues, "served", a.Served, "bypassed", xdp.Bypassed)
		if a.Reason != "" {
			d.log.Info("AF_XDP could be faster", "interface", a.Interface, "reason", a.Reason)
		}
	}
}

// States of an interface of --xdp, a label of a metric.
const (
	xdpOff       = "off"       // the sockets of the system serve the node
	xdpReceiving = "receiving" // answers leave through the sockets
	xdpOn        = "on"
)

// accelerationMetrics are the metrics of the interfaces of --xdp, summed over all of them.
type accelerationMetrics struct {
	interfaces, served, queues, changes, fallbacks *prometheus.Desc
}

func newAccelerationMetrics() accelerationMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"xdp_"+name, help, labels, nil)
	}
	return accelerationMetrics{
		interfaces: desc("interfaces", "Interfaces of --xdp by state: off if the sockets of the system serve the node, receiving if answers leave through the sockets, or on.", "state"),
		served:     desc("queues_served", "Receive queues that AF_XDP serves, by mode.", "mode"),
		queues:     desc("queues", "Receive queues of the interfaces of --xdp."),
		changes:    desc("mode_changes_total", "Changes between AF_XDP and the sockets of the system."),
		fallbacks:  desc("fallbacks_total", "Datagrams of AF_XDP workers that left through the sockets of the system."),
	}
}

// describe implements a part of prometheus.Collector.
func (m *accelerationMetrics) describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.interfaces, m.served, m.queues, m.changes, m.fallbacks} {
		out <- d
	}
}

// collect implements a part of prometheus.Collector.
func (m *accelerationMetrics) collect(node *discv5.Node, out chan<- prometheus.Metric) {
	states := map[string]int{xdpOff: 0, xdpReceiving: 0, xdpOn: 0}
	served := map[string]int{xdp.NativeZeroCopy.String(): 0, xdp.NativeCopy.String(): 0, xdp.Generic.String(): 0}
	var sum fastpath.Acceleration
	for _, a := range accelerations(node) {
		switch {
		case a.Mode == "":
			states[xdpOff]++
		case a.AnswersReason != "":
			states[xdpReceiving]++
		default:
			states[xdpOn]++
		}
		if a.Mode != "" {
			served[a.Mode] += a.Served
		}
		sum.Queues += a.Queues
		sum.Changes += a.Changes
		sum.Fallbacks += a.Fallbacks
	}
	for state, n := range states {
		out <- prometheus.MustNewConstMetric(m.interfaces, prometheus.GaugeValue, float64(n), state)
	}
	for mode, n := range served {
		out <- prometheus.MustNewConstMetric(m.served, prometheus.GaugeValue, float64(n), mode)
	}
	out <- prometheus.MustNewConstMetric(m.queues, prometheus.GaugeValue, float64(sum.Queues))
	out <- prometheus.MustNewConstMetric(m.changes, prometheus.CounterValue, float64(sum.Changes))
	out <- prometheus.MustNewConstMetric(m.fallbacks, prometheus.CounterValue, float64(sum.Fallbacks))
}
