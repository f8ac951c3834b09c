package main

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/fastpath/filter"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/limits"
)

// filterOptions are the settings of the source filter, as given and as parsed.
type filterOptions struct {
	mode       string
	interfaces []string
	prefixRate string
	totalRate  string

	config filter.Config
}

// filterFlags are the names of the settings.
var filterFlags = []string{"filter", "filter-interface", "filter-prefix-rate", "filter-total-rate"}

func (o *filterOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.mode, filterFlags[0], filter.None.String(), "drop junk of unknown sources in the kernel, at `PLACE`: xdp, tc, socket, auto (the first of these that works) or none")
	f.StringArrayVar(&o.interfaces, filterFlags[1], nil, "`NAMES` of network interfaces for xdp and tc, separated by commas. Default: those with an address of this node")
	f.StringVar(&o.prefixRate, filterFlags[2], rateText(filter.DefaultPrefixRate()), "accept `RATE[,BURST]` datagrams a second from unknown sources of one /24 or IPv6 /64")
	f.StringVar(&o.totalRate, filterFlags[3], rateText(filter.DefaultTotalRate()), "accept `RATE[,BURST]` datagrams a second from all unknown sources")
}

// rateText is the form of a rate that parseRate reads.
func rateText(r limits.Rate) string { return fmt.Sprintf("%d,%d", r.PerSecond, r.Burst) }

func parseRate(s string) (r limits.Rate, ok bool) {
	rate, burst, both := strings.Cut(s, ",")
	var err error
	if r.PerSecond, err = strconv.Atoi(rate); err != nil || r.PerSecond < 1 {
		return r, false
	}
	if r.Burst = r.PerSecond; both {
		if r.Burst, err = strconv.Atoi(burst); err != nil || r.Burst < 1 {
			return r, false
		}
	}
	return r, true
}

// parseFilter parses the settings of the source filter.
func (o *options) parseFilter() error {
	f := &o.filter
	var err error
	if f.config.Mode, err = filter.ParseMode(f.mode); err != nil {
		return fmt.Errorf("%s %s: want auto, socket, tc, xdp or none", o.from(filterFlags[0]), quote.Short(f.mode))
	}
	if f.config.Mode == filter.None {
		o.warnUseless("--filter", filterFlags[1:]...)
	}
	for _, list := range f.interfaces {
		f.config.Interfaces = append(f.config.Interfaces, cli.SplitList(list)...)
	}
	for _, r := range []struct {
		name, text string
		to         *limits.Rate
	}{{filterFlags[2], f.prefixRate, &f.config.PrefixRate}, {filterFlags[3], f.totalRate, &f.config.TotalRate}} {
		var ok bool
		if *r.to, ok = parseRate(r.text); !ok {
			return fmt.Errorf("%s %s: want a rate for each second, as in 64, or a rate and a burst, as in 64,128", o.from(r.name), quote.Short(r.text))
		}
	}
	if _, err := filter.New(f.config); err != nil {
		return fmt.Errorf("%s, %s: %s", o.from(filterFlags[2]), o.from(filterFlags[3]), cli.OneLine(err, "filter"))
	}
	return nil
}

// sourceFilter returns a new filter, or nil if there is to be none.
func (o *options) sourceFilter() (fastpath.SourceFilter, error) {
	if o.filter.config.Mode == filter.None {
		return nil, nil
	}
	return filter.New(o.filter.config)
}

// filterLog logs the mode of the source filter each time that it changes.
type filterLog struct {
	log  *slog.Logger
	last string
}

func (l *filterLog) look(node *discv5.Node) {
	info := node.SourceFilter()
	text := info.String()
	if text == l.last || text == filter.None.String() {
		return
	}
	l.last = text
	if info.Reason == "" {
		l.log.Info("source filter", "mode", info.Mode, "interfaces", info.Interfaces)
		return
	}
	l.log.Warn("source filter: not the first choice", "mode", info.Mode, "interfaces", info.Interfaces, "reason", info.Reason)
}

// addFilter adds the counters of the source filter.
func (c *collector) addFilter() {
	add := func(kind prometheus.ValueType, name, help, label, value string, get func(*fastpath.FilterStats) uint64) {
		m := metric{kind: kind, value: func(s *discv5.Stats) float64 { return float64(get(&s.Filter)) }}
		var labels []string
		if label != "" {
			labels, m.label = []string{label}, []string{value}
		}
		m.desc = prometheus.NewDesc(namespace+"filter_"+name, help, labels, nil)
		c.values = append(c.values, m)
	}
	const (
		passed  = "Datagrams that the source filter let through, by kind of source."
		dropped = "Datagrams that the source filter dropped, by cause."
	)
	for _, v := range []struct {
		kind string
		get  func(*fastpath.FilterStats) uint64
	}{
		{"held", func(s *fastpath.FilterStats) uint64 { return s.PassedHeld }},
		{"handshake", func(s *fastpath.FilterStats) uint64 { return s.PassedHandshake }},
		{"new", func(s *fastpath.FilterStats) uint64 { return s.PassedNew }},
	} {
		add(prometheus.CounterValue, "passed_total", passed, "source", v.kind, v.get)
	}
	for _, v := range []struct {
		cause string
		get   func(*fastpath.FilterStats) uint64
	}{
		{"prefix", func(s *fastpath.FilterStats) uint64 { return s.DroppedPrefix }},
		{"total", func(s *fastpath.FilterStats) uint64 { return s.DroppedTotal }},
		{"size", func(s *fastpath.FilterStats) uint64 { return s.DroppedSize }},
		{"source", func(s *fastpath.FilterStats) uint64 { return s.DroppedSource }},
	} {
		add(prometheus.CounterValue, "dropped_total", dropped, "cause", v.cause, v.get)
	}
	add(prometheus.GaugeValue, "held_endpoints", "Endpoints that the source filter always lets through.", "", "", func(s *fastpath.FilterStats) uint64 { return s.Held })
	add(prometheus.CounterValue, "missed_endpoints_total", "Endpoints that the kernel did not take into the table of the source filter.", "", "", func(s *fastpath.FilterStats) uint64 { return s.Missed })
	add(prometheus.CounterValue, "fallbacks_total", "Times that the source filter had to change its mode.", "", "", func(s *fastpath.FilterStats) uint64 { return s.Fallbacks })
	for _, mode := range []filter.Mode{filter.None, filter.Socket, filter.TC, filter.XDP} {
		c.values = append(c.values, metric{
			desc: prometheus.NewDesc(namespace+"filter_mode", "1 for the mode of the source filter.", []string{"mode"}, nil),
			kind: prometheus.GaugeValue, label: []string{mode.String()},
			value: func(*discv5.Stats) float64 { return number(c.node.SourceFilter().Mode == mode.String()) },
		})
	}
}
