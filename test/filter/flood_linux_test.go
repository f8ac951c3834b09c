package filter

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/frames"
	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/internal/session"
)

// Settings of TestFlood, in the environment.
const (
	floodOn      = "DISCV5_FLOOD"         // 1 runs it
	floodRate    = "DISCV5_FLOOD_RATE"    // junk packets a second, 1,000,000
	floodSeconds = "DISCV5_FLOOD_SECONDS" // of each measurement, 5
	floodModes   = "DISCV5_FLOOD_MODES"   // values of --filter, "none socket tc xdp"
	// Priority of all who take part, for a machine that is not quiet. The kernel's threads
	// ksoftirqd need the same one.
	floodNice = "DISCV5_FLOOD_NICE"
)

const (
	floodSources  = 32768
	floodSessions = 1000
	floodRequests = 4000 // a second, of all sessions
)

func setting(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return def
}

// TestFlood measures how many requests of 1,000 peers with sessions a bootnode on one CPU answers
// next to junk from 32,768 sources that arrives on the same CPU. Each junk packet is a message from
// a node without a session, which costs a WHOAREYOU if it comes through. Peers have the other CPU.
func TestFlood(t *testing.T) {
	if os.Getenv(floodOn) == "" {
		t.Skipf("a measurement, by make flood: set %s=1", floodOn)
	}
	dir := t.TempDir()
	for _, p := range []string{"bootnode", "loadgen"} {
		if err := proctest.Build(filepath.Join(dir, p), "../../cmd/"+p); err != nil {
			t.Fatal(err)
		}
	}
	modes := strings.Fields(os.Getenv(floodModes))
	if len(modes) == 0 {
		modes = []string{"none", "socket", "tc", "xdp"}
	}
	for _, sources := range []struct {
		name string
		make func(i int) [4]byte
	}{
		{"128 networks", func(i int) [4]byte { return [4]byte{33, 1, byte(i >> 8), byte(i)} }},
		{"32768 networks", func(i int) [4]byte { return [4]byte{34, byte(i >> 8), byte(i), 7} }},
	} {
		for _, mode := range modes {
			t.Run(sources.name+"/"+mode, func(t *testing.T) {
				r := flood(t, dir, mode, sources.make)
				t.Logf("FLOOD %s, %s: %.0f junk packets/s offered, %.2f %% of %d requests answered; passed: %.0f held, %.0f handshake, %.0f new; dropped: %.0f prefix, %.0f total; %.0f read",
					mode, sources.name, r.offered, 100*r.answered, r.requests, r.metrics[`discv5_filter_passed_total{source="held"}`], r.metrics[`discv5_filter_passed_total{source="handshake"}`],
					r.metrics[`discv5_filter_passed_total{source="new"}`], r.metrics[`discv5_filter_dropped_total{cause="prefix"}`], r.metrics[`discv5_filter_dropped_total{cause="total"}`],
					r.metrics[`discv5_socket_datagrams_total{direction="in"}`])
				if mode == "xdp" && r.answered < 0.99 {
					t.Errorf("%.2f %% of the requests are answered, want 99 %%", 100*r.answered)
				}
			})
		}
	}
}

type floodResult struct {
	offered  float64 // junk packets a second
	answered float64 // part of the requests
	requests int
	metrics  map[string]float64
}

// busyCPU is where the bootnode runs and junk arrives; peers run on the other one.
const busyCPU, peerCPU = "0", "1"

func flood(t *testing.T, dir, mode string, source func(int) [4]byte) (r floodResult) {
	l := newLab(t)
	seconds := setting(floodSeconds, 5)
	// Junk arrives on an interface of its own: the queue of a virtual one has 256 slots, and not
	// thousands as that of a network card, so that it would lose requests before any filter.
	l.wire(t, "vj", "vq", "10.2.0.1", "fd02::1", 2)
	if mode != "xdp" { // live frames need an interface with some XDP program
		if _, err := occupy(t, l.node, "vj"); err != nil {
			t.Skipf("probed for XDP: %v", err)
		}
	}
	nice := fmt.Sprint(setting(floodNice, 0))
	cmd := exec.Command("nice", "-n", nice, "taskset", "-c", busyCPU, "env", "GOMAXPROCS=1", filepath.Join(dir, "bootnode"),
		"--addr", node4+":9000", "--sockets", "1", "--datadir", t.TempDir(), "--metrics", "127.0.0.1:8080", "--filter", mode, "--filter-interface", "vn,vj", "--log-status", "0")
	node := proctest.Start(t, cmd, proctest.Options{Launch: l.node.Do})
	record := node.Record(t)
	eventually(t, "the bootnode serves metrics", func() bool { return l.metrics(t) != nil })

	// 1,000 sessions from 50 networks.
	args := []string{"-n", nice, "taskset", "-c", peerCPU, filepath.Join(dir, "loadgen"), "--target", record.String(), "--json", "-",
		"--identities", fmt.Sprint(floodSessions), "--sockets", fmt.Sprint(floodSessions), "--no-gso",
		"--rate", fmt.Sprint(floodRequests), "--warmup", "6s", "--duration", fmt.Sprintf("%ds", seconds), "--timeout", "1s"}
	for i := range 50 {
		args = append(args, "--source", fmt.Sprintf("10.70.%d.1", i))
	}
	var out, log bytes.Buffer
	load := exec.Command("nice", args...)
	load.Stdout, load.Stderr = &out, &log
	if err := l.net.Do(load.Start); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- load.Wait() }()
	eventually(t, "the sessions", func() bool { return l.metrics(t)["discv5_sessions"] >= floodSessions })

	junk := l.liveFrames(t, record, source)
	stop := make(chan struct{})
	sent := make(chan float64, 1)
	go func() { sent <- junk(stop) }()
	var err error
	select {
	case err = <-ended:
	case <-time.After(patience):
		load.Process.Kill()
		err = <-ended
	}
	close(stop)
	r.offered = <-sent
	if err != nil {
		t.Fatalf("loadgen: %v\n%s", err, log.String())
	}
	var report struct {
		Result struct {
			Total struct{ Sent, Answered, Lost, Unsent int }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	total := report.Result.Total
	r.requests = total.Sent + total.Unsent
	r.answered = float64(total.Answered) / float64(r.requests)
	r.metrics = l.metrics(t)
	if want := strings.ReplaceAll(mode, "none", ""); want != "" && r.metrics[`discv5_filter_mode{mode="`+mode+`"}`] != 1 {
		t.Errorf("the filter is not in mode %s:\n%s", mode, node.Log)
	}
	return r
}

// metrics returns the metrics of the bootnode, nil if it does not answer.
func (l *lab) metrics(t *testing.T) (m map[string]float64) {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(_ context.Context, network, addr string) (c net.Conn, err error) {
		l.node.do(func() { c, err = net.DialTimeout(network, addr, 5*time.Second) })
		return c, err
	}}}
	resp, err := client.Get("http://127.0.0.1:8080/metrics")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(bufio.NewReader(resp.Body))
	if err != nil {
		return nil
	}
	if m, err = proctest.Metrics(string(page)); err != nil {
		t.Fatal(err)
	}
	return m
}

// liveFrames prepares junk to the node. The result sends it from the net's end of the interface, at
// the rate that is asked for at most, until stop is closed, and returns the rate.
func (l *lab) liveFrames(t *testing.T, record *enr.Record, source func(int) [4]byte) func(stop chan struct{}) float64 {
	t.Helper()
	var dst, src net.HardwareAddr
	l.node.do(func() { dst = hardware(t, "vj") })
	l.net.do(func() { src = hardware(t, "vq") })
	id := [32]byte(record.ID())
	junk, size := make([][]byte, floodSources), 0
	for i := range junk {
		junk[i] = junkFrame(t, dst, src, source(i), &id)
		size = len(junk[i])
	}
	list, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: uint32(size), MaxEntries: floodSources})
	if err != nil {
		t.Skipf("probed for what the flood needs: %v", err)
	}
	t.Cleanup(func() { list.Close() })
	for i, f := range junk {
		if err := list.Put(uint32(i), f); err != nil {
			t.Fatal(err)
		}
	}
	next, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { next.Close() })
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "MIT", Instructions: frames.Next(list, next, size, true)})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { prog.Close() })
	// Each run of a program that is attached nowhere waits for an RCU grace period.
	l.net.ip(t, "link add ga type veth peer name gb")
	var index uint32
	l.net.do(func() {
		var ga, vq *net.Interface
		if ga, err = net.InterfaceByName("ga"); err != nil {
			return
		}
		if vq, err = net.InterfaceByName("vq"); err != nil {
			return
		}
		index = uint32(vq.Index)
		var k link.Link
		if k, err = link.AttachXDP(link.XDPOptions{Program: prog, Interface: ga.Index}); err == nil {
			t.Cleanup(func() { k.Close() })
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	rate := setting(floodRate, 1_000_000)
	return func(stop chan struct{}) (offered float64) {
		l.net.do(func() { offered = runGenerator(t, prog, junk[0], index, rate, stop) })
		return offered
	}
}

func hardware(t *testing.T, name string) net.HardwareAddr {
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Error(err)
		return make(net.HardwareAddr, 6)
	}
	return i.HardwareAddr
}

// runGenerator sends live frames from the CPU of the bootnode.
func runGenerator(t *testing.T, prog *ebpf.Program, first []byte, index uint32, rate int, stop chan struct{}) float64 {
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Error(err)
	}
	one.Set(0)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Error(err)
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, setting(floodNice, 0)); err != nil {
		t.Error(err)
	}
	defer func() {
		_ = unix.SchedSetaffinity(0, &before)
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 0)
	}()
	const burst, liveFrames = 512, 2
	type context struct{ Data, DataEnd, DataMeta, Ifindex, Queue, Egress uint32 }
	opts := &ebpf.RunOptions{Data: first, Context: &context{DataEnd: uint32(len(first)), Ifindex: index}, Repeat: burst, Flags: liveFrames, BatchSize: 64}
	sent, start := 0, time.Now()
	due := start // of the next burst
	for {
		select {
		case <-stop:
			return float64(sent) / time.Since(start).Seconds()
		default:
		}
		now := time.Now()
		if ahead := due.Sub(now); ahead > 200*time.Microsecond {
			time.Sleep(ahead)
			continue
		}
		if now.Sub(due) > 20*time.Millisecond { // the generator had no CPU; it does not catch up
			due = now
		}
		due = due.Add(burst * time.Second / time.Duration(rate))
		_, err := prog.Run(opts)
		if errors.Is(err, unix.ENOSPC) { // the interface's queue is full: some are lost
			time.Sleep(50 * time.Microsecond)
			continue
		}
		if err != nil {
			t.Error(err)
			return 0
		}
		sent += burst
	}
}

// junkFrame is a message that nobody can open, from a node without a session.
func junkFrame(t *testing.T, dst, src net.HardwareAddr, from [4]byte, to *[32]byte) []byte {
	t.Helper()
	h := session.Header{Protocol: codec.DefaultProtocol}
	noise := make([]byte, 24)
	for _, b := range [][]byte{h.Source[:], h.IV[:], h.Nonce[:], noise} {
		if _, err := rand.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	node, peer := netip.MustParseAddrPort(node4+":9000"), netip.AddrPortFrom(netip.AddrFrom4(from), 30303)
	return frames.UDP4(dst, src, node, peer, h.AppendUnopenable(nil, to, noise))
}
