package drive

import (
	"errors"
	"net"
	"testing"
	"time"
)

// deaf answers every datagram but those whose number is in lost.
func deaf(t *testing.T, lost func(n int) bool) *Socket {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, maxPacket)
		for n := 0; ; n++ {
			size, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if !lost(n) {
				conn.WriteToUDPAddrPort(b[:size], from)
			}
		}
	}()
	s, err := Dial(conn.LocalAddr().(*net.UDPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// One exchange that is lost does not end a measurement, and counts as a long one; a server that
// answers few does end it.
func TestLatencyOfLost(t *testing.T) {
	r := &Requests{Size: 100, Slab: make([]byte, 1000)}
	list, err := deaf(t, func(n int) bool { return n == 3 }).Latency(r, 30, []int{100}, true)
	if err != nil || len(list) != 30 || list[29] < patience {
		t.Errorf("%d latencies, %v", len(list), err)
	}
	if _, err := deaf(t, func(n int) bool { return n%2 == 0 }).Latency(r, 12, []int{100}, false); !errors.Is(err, ErrSilent) {
		t.Errorf("half of them lost: %v", err)
	}
	if list[0] <= 0 || list[0] > time.Minute {
		t.Errorf("the shortest took %v", list[0])
	}
}
