package limiter

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// limitedNow returns what Limited yields, sorted.
func limitedNow(l *Limiter, now time.Duration) (list []string) {
	for p := range l.Limited(now) {
		list = append(list, p.String())
	}
	slices.Sort(list)
	return list
}

func TestLimited(t *testing.T) {
	const second = time.Second
	// Unverified: an address may send a burst of 200 and 100 a second, a network 1,000 and 500.
	for _, tt := range []struct {
		name    string
		sources []netip.Addr
		each    int
		at      time.Duration // after the datagrams
		want    []string
	}{
		{"nothing", nil, 0, 0, nil},
		{"within the limit", []netip.Addr{ip("198.51.100.7")}, 170, 0, nil},
		{"at the limit", []netip.Addr{ip("198.51.100.7")}, 185, 0, []string{"198.51.100.7/32"}},
		{"over the limit", []netip.Addr{ip("198.51.100.7")}, 5000, 0, []string{"198.51.100.7/32"}},
		{"a second later", []netip.Addr{ip("198.51.100.7")}, 5000, second, nil},
		{"an IPv4 network", v4Hosts(10), 100, 0, []string{"203.0.113.0/24"}},
		{"IPv6", []netip.Addr{ip("2001:db8:1:2::3")}, 5000, 0, []string{"2001:db8:1:2::3/128"}},
		{"an IPv6 /64", []netip.Addr{ip("2001:db8::1"), ip("2001:db8::2"), ip("2001:db8::3")}, 130, 0, []string{"2001:db8::/64"}},
		{"two families", []netip.Addr{ip("198.51.100.7"), ip("2001:db8::1")}, 200, 0, []string{"198.51.100.7/32", "2001:db8::1/128"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := New(Config{Seed: 1, Exempt: ExemptNone})
			for range tt.each {
				for _, s := range tt.sources {
					l.Allow(0, s)
				}
			}
			if got := limitedNow(l, tt.at); !slices.Equal(got, tt.want) {
				t.Errorf("limited: %v, want %v", got, tt.want)
			}
		})
	}
	var none *Limiter
	for p := range none.Limited(0) {
		t.Errorf("a limiter that allows everything limits %v", p)
	}
}

// v4Hosts returns n hosts of 203.0.113.0/24.
func v4Hosts(n int) (list []netip.Addr) {
	for i := range n {
		list = append(list, ip(fmt.Sprintf("203.0.113.%d", i+1)))
	}
	return list
}

// The caller may stop, and other goroutines may charge the limiter meanwhile.
func TestLimitedBeside(t *testing.T) {
	l := New(Config{Seed: 1, Exempt: ExemptNone})
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				l.Allow(time.Duration(i), v4Hosts(9)[i%9])
			}
		}
	}()
	for range 50 {
		for p := range l.Limited(0) {
			if a := p.Addr(); !netip.MustParsePrefix("203.0.113.0/24").Contains(a) {
				t.Errorf("limited: %v", p)
			}
			break
		}
	}
	close(stop)
	<-done
}
