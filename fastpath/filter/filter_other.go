//go:build !linux

package filter

import (
	"net/netip"

	"github.com/fastdisc/discv5/fastpath"
)

// Filter implements fastpath.SourceFilter. On this system it passes everything.
type Filter struct {
	info fastpath.FilterInfo
}

// New returns a filter. The error wraps ErrConfig.
func New(cfg Config) (*Filter, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	f := &Filter{fastpath.FilterInfo{Mode: None.String()}}
	if cfg.Mode != None {
		f.info.Reason = "the filter is for Linux"
	}
	return f, nil
}

// Attach implements fastpath.SourceFilter.
func (f *Filter) Attach(fastpath.FilterTarget) error { return nil }

// Hold implements fastpath.SourceFilter.
func (f *Filter) Hold(netip.AddrPort) {}

// Release implements fastpath.SourceFilter.
func (f *Filter) Release(netip.AddrPort) {}

// Flush implements fastpath.SourceFilter.
func (f *Filter) Flush() {}

// Info implements fastpath.SourceFilter.
func (f *Filter) Info() fastpath.FilterInfo { return f.info }

// Stats implements fastpath.SourceFilter.
func (f *Filter) Stats() fastpath.FilterStats { return fastpath.FilterStats{} }

// Close implements fastpath.SourceFilter.
func (f *Filter) Close() error { return nil }
