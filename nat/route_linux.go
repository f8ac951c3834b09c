package nat

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// defaultGateways reads the kernel's IPv4 routing table.
func defaultGateways() ([]netip.Addr, error) {
	f, err := os.Open("/proc/net/route")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readRoutes(io.LimitReader(f, 1<<20))
}

// routeUpGateway holds the flags of a route that is up and leads to a gateway.
const routeUpGateway = 0x1 | 0x2

// readRoutes returns the private gateways of default routes. A line holds interface, destination,
// gateway, flags and others. Addresses are numbers in the byte order of the machine:
//
//	eth0  00000000  0101A8C0  0003  0  0  100  00000000  0  0  0
func readRoutes(r io.Reader) ([]netip.Addr, error) {
	var list []netip.Addr
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			continue
		}
		flags, err := strconv.ParseUint(f[3], 16, 32)
		if err != nil || flags&routeUpGateway != routeUpGateway {
			continue
		}
		n, err := strconv.ParseUint(f[2], 16, 32)
		if err != nil {
			continue
		}
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], uint32(n))
		if a := netip.AddrFrom4(b); netaddr.ClassOf(a) == netaddr.Private && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	return list, nil
}
