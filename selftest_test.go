package discv5

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/cryptotest"
)

func loopbackConfig() Config {
	return Config{ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}
}

// TestNewSelfTest: no node starts on a machine that computes wrong results, whichever test
// notices.
func TestNewSelfTest(t *testing.T) {
	real := selfTests
	defer func() { selfTests = real }()
	broken := errors.New("wrong tag")
	for i := range real {
		selfTests = append([]func() error{}, real...)
		selfTests[i] = func() error { return broken }
		if n, err := New(loopbackConfig()); !errors.Is(err, ErrSelfTest) || !errors.Is(err, broken) || n != nil {
			t.Errorf("test %d fails: New = %v, %v", i, n, err)
		}
	}
	selfTests = real
	n, err := New(loopbackConfig())
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
}

// TestS51NewUnderFIPSOnly: under GODEBUG=fips140=only New names the setting, and nothing panics.
func TestS51NewUnderFIPSOnly(t *testing.T) {
	if !cryptotest.UnderGODEBUG(t, "fips140=only", "fips140=only,cpu.aes=off,cpu.pclmulqdq=off") {
		return
	}
	if n, err := New(loopbackConfig()); !errors.Is(err, ErrFIPS) || n != nil || !strings.Contains(err.Error(), "fips140=only") {
		t.Errorf("New = %v, %v", n, err)
	}
}
