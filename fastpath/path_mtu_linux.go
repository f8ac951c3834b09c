package fastpath

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// pathMTUReason prepares a socket for pathMTU, or says why it stays as the system has it.
func pathMTUReason(fd uintptr, cfg *Config) string {
	if !cfg.Addr.Addr().Is4() {
		return "not for IPv6"
	}
	// Linux 3.15 has the first
	for _, v := range []int{unix.IP_PMTUDISC_OMIT, unix.IP_PMTUDISC_DO} {
		if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, v); err != nil {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_WANT)
			return fmt.Sprintf("IP_MTU_DISCOVER: %v", err)
		}
	}
	return ""
}

// setPathMTU has the kernel heed the path MTUs that it has learned, or ignore them.
func (s *socket) setPathMTU(heed bool) bool {
	if heed {
		return s.raw.Control(heedPathMTU) == nil
	}
	return s.raw.Control(omitPathMTU) == nil
}

// Both options have been set before: see pathMTUReason.

func heedPathMTU(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
}

func omitPathMTU(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT)
}
