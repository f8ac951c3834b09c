package serve

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// driverEnv makes this program a driver of module interop's kind, which does as it is told there.
const driverEnv = "DISCV5_PERF_TEST_DRIVER"

func TestMain(m *testing.M) {
	if how, ok := os.LookupEnv(driverEnv); ok {
		driver(how)
		return
	}
	os.Exit(m.Run())
}

func driver(how string) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var c struct {
			ID     int
			Cmd    string
			Record string
		}
		if json.Unmarshal(lines.Bytes(), &c) != nil || how == "end" {
			fmt.Fprintln(os.Stderr, "gone")
			return
		}
		fmt.Println(`{"id":0,"record":"of another command"}`)
		switch {
		case c.Cmd == "start":
			fmt.Printf(`{"id":%d,"record":"enr:own"}`+"\n", c.ID)
		case c.Record == "bad":
			fmt.Printf(`{"id":%d,"error":"bad record"}`+"\n", c.ID)
		default:
			for before, now := rusage(), rusage(); now < before+30*time.Millisecond; now = rusage() {
			}
			fmt.Printf(`{"id":%d}`+"\n", c.ID)
		}
	}
}

// rusage returns the CPU time of this process, 0 if there is an error.
func rusage() time.Duration {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func TestForeign(t *testing.T) {
	cpus, err := CPUs()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(driverEnv, "")
	c, err := StartForeign("driver", []string{os.Args[0]}, testKey, cpus[0])
	if err != nil {
		t.Fatal(err)
	}
	if !c.Foreign() || c.Ready.Records[0] != "enr:own" {
		t.Errorf("%+v", c.Ready)
	}
	before, err := c.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Add("good"); err != nil {
		t.Error(err)
	}
	if err := c.Add("bad"); err == nil || !strings.Contains(err.Error(), "bad record") {
		t.Errorf("refusal: %v", err)
	}
	after, err := c.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if after.CPU <= before.CPU {
		t.Errorf("CPU time %v after %v", after.CPU, before.CPU)
	}
	if after.Resident < 1<<20 || after.Resident > 1<<30 {
		t.Errorf("%d bytes resident", after.Resident)
	}
	if _, err := c.Do(Command{Op: "gc"}); err == nil {
		t.Error("a foreign server has taken a command of ours")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Usage(); err == nil {
		t.Error("usage of a process that has ended")
	}
	t.Setenv(driverEnv, "end")
	if _, err := StartForeign("driver", []string{os.Args[0]}, testKey, cpus[0]); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("a driver that ends: %v, want its log", err)
	}
}

// The clock of a process and getrusage are two views of one account.
func TestProcessCPU(t *testing.T) {
	for sum := 0; rusage() < 50*time.Millisecond; sum++ {
	}
	low := rusage()
	mid, err := processCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	high := rusage()
	const slack = 20 * time.Millisecond // other threads, and rounding to ticks
	if mid < low-slack || mid > high+slack {
		t.Errorf("%v is not between %v and %v", mid, low, high)
	}
	if _, err := processCPU(1 << 23); err == nil {
		t.Error("CPU time of no process")
	}
}

func TestSocketDrops(t *testing.T) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadBuffer(4096)
	addr := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if n := socketDrops(addr); n != 0 {
		t.Errorf("%d drops at the start", n)
	}
	from, err := net.DialUDP("udp4", nil, conn.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	const sent = 500
	for range sent {
		from.Write(make([]byte, 1000))
	}
	kept, n := 0, uint64(0)
	b := make([]byte, 2000)
	for end := time.Now().Add(30 * time.Second); int(n)+kept < sent && time.Now().Before(end); {
		conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := conn.Read(b); err == nil {
			kept++
		} else {
			n = socketDrops(addr)
		}
	}
	if int(n)+kept != sent || n == 0 {
		t.Errorf("%d drops and %d received of %d", n, kept, sent)
	}
}
