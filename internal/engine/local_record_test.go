package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// Tick does not wait for a function of the program's that changes the record: it may wait for what
// Tick does.
func TestConcurrentRecordChange(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("52.1.0.1:9000", nil)
	to := netip.MustParseAddrPort("52.1.0.9:9000")
	held, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- a.e.UpdateRecord(func(*enr.Builder) { close(held); <-release })
	}()
	<-held
	set := make(chan bool, 1)
	go func() { set <- a.w.setEndpoint(netaddr.IPv4, to, AddressChanged) }()
	select {
	case ok := <-set:
		if ok {
			t.Error("the record was changed within another change")
		}
	case <-time.After(20 * time.Second):
		t.Error("Tick waits for the function")
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !a.w.setEndpoint(netaddr.IPv4, to, AddressChanged) || endpointOf(a.e.Record(), netaddr.IPv4) != to {
		t.Error("the record is not changed later")
	}
}
