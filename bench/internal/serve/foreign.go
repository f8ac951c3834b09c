package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// StartForeign runs a driver of module interop on one CPU: argv starts the process, key is the
// node's in hexadecimal. The commands and answers, one JSON object a line, are described in
// ../../../interop/doc.go.
func StartForeign(name string, argv []string, key string, cpu int) (*Child, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	return StartForeignAt(addr, name, argv, key, cpu)
}

// StartForeignAt is StartForeign for a given address.
func StartForeignAt(addr netip.AddrPort, name string, argv []string, key string, cpu int) (*Child, error) {
	c := &Child{Spec: Spec{Kind: name, Key: key}, Addr: addr, foreign: true, cmd: exec.Command(argv[0], argv[1:]...)}
	var log tail
	c.cmd.Stderr = &log
	if err := c.start(cpu); err != nil {
		return nil, err
	}
	record, err := c.tell("start", map[string]any{"key": key, "addr": addr.String()})
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("start %s: %w\n%s", name, err, log.text)
	}
	c.Ready = Reply{Addr: addr.String(), Records: []string{record}}
	return c, nil
}

// Foreign reports whether the server is a process of another language.
func (c *Child) Foreign() bool { return c.foreign }

// Add offers a record to the table of a foreign server.
func (c *Child) Add(record string) error {
	_, err := c.tell("add", map[string]any{"record": record})
	return err
}

// tell sends a command to a foreign server and returns the record in its answer, if there is one.
func (c *Child) tell(name string, command map[string]any) (record string, err error) {
	c.last++
	command["id"], command["cmd"] = c.last, name
	b, err := json.Marshal(command)
	if err != nil {
		return "", err
	}
	if _, err := c.in.Write(append(b, '\n')); err != nil {
		return "", fmt.Errorf("%s: %w", c.Spec.Kind, err)
	}
	for c.lines.Scan() {
		var a struct {
			ID     int
			Error  string
			Record string
		}
		if err := json.Unmarshal(c.lines.Bytes(), &a); err != nil {
			return "", fmt.Errorf("%s: %w", c.Spec.Kind, err)
		}
		if a.ID != c.last {
			continue
		}
		if a.Error != "" {
			return "", fmt.Errorf("%s: %s: %s", c.Spec.Kind, name, a.Error)
		}
		return a.Record, nil
	}
	return "", fmt.Errorf("%s has ended: %w", c.Spec.Kind, errors.Join(io.ErrUnexpectedEOF, c.lines.Err()))
}

// Drops is how many datagrams the kernel had no room for at the server's socket, as long as the
// server runs.
func (c *Child) Drops() uint64 { return socketDrops(c.Addr) }

// outside returns the figures that the system has of a process that does not report its own.
func (c *Child) outside() (u Usage, err error) {
	if u.CPU, err = processCPU(c.PID()); err != nil {
		return u, fmt.Errorf("%s: CPU time: %w", c.Spec.Kind, err)
	}
	if u.Resident, err = resident(c.PID()); err != nil {
		return u, fmt.Errorf("%s: memory: %w", c.Spec.Kind, err)
	}
	u.Drops = socketDrops(c.Addr)
	return u, nil
}

// processCPU reads the CPU clock of a process: user and system time of all its threads, also of
// those that have ended. The number of the clock is that of clock_getcpuclockid(3).
func processCPU(pid int) (time.Duration, error) {
	const sched = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}

// resident is the memory of a process in bytes, from the second field of /proc/PID/statm.
func resident(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	var size, pages uint64
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		return 0, err
	}
	return pages * uint64(os.Getpagesize()), nil
}

// socketDrops is how many datagrams the kernel had no room for at the IPv4 socket of a server: the
// last column of /proc/net/udp. 0 if it cannot be read.
func socketDrops(addr netip.AddrPort) (drops uint64) {
	b, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return 0
	}
	ip := addr.Addr().As4()
	want := fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], addr.Port())
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 13 && f[1] == want {
			var n uint64
			if _, err := fmt.Sscan(f[len(f)-1], &n); err == nil {
				drops += n
			}
		}
	}
	return drops
}

// freePort finds a port for a server that must be told one. Another process could take it in
// between: then the start fails.
func freePort() (netip.AddrPort, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort(), nil
}

// tail keeps the end of a process's log.
type tail struct{ text []byte }

const tailSize = 4096

func (t *tail) Write(b []byte) (int, error) {
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-tailSize):]
	return len(b), nil
}
