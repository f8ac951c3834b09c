package manypeers

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// schedstat reads the CPU time of a thread in nanoseconds: the first field of its schedstat. 0 if
// it has ended.
func schedstat(path string) time.Duration {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), " ")
	n, _ := strconv.ParseInt(first, 10, 64)
	return time.Duration(n)
}

// processTime is the CPU time of all threads of a process. 0 for process 0, the kernel.
func processTime(pid int) (sum time.Duration, err error) {
	if pid == 0 {
		return 0, nil
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	for _, path := range threads {
		sum += schedstat(path)
	}
	return sum, nil
}

// kernelThreads lists the threads of the kernel that receive packets.
func kernelThreads() (list []int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		name, _ := os.ReadFile("/proc/" + e.Name() + "/comm")
		if strings.HasPrefix(string(name), "ksoftirqd/") || strings.HasPrefix(string(name), "napi/") {
			list = append(list, id)
		}
	}
	return list, nil
}

func threadTimes(list []int) (sum time.Duration) {
	for _, id := range list {
		sum += schedstat(fmt.Sprintf("/proc/%d/schedstat", id))
	}
	return sum
}

// attachXDP attaches a program to an interface of the thread's namespace, in native mode.
func attachXDP(name string, program *ebpf.Program) (link.Link, error) {
	end, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: end.Index, Flags: link.XDPDriverMode})
	if err != nil {
		return nil, fmt.Errorf("attach a program to %s: %w", name, err)
	}
	return l, nil
}

// ServeInKernel makes XDP itself return all datagrams at the server's end, until stop is called.
func (k *Link) ServeInKernel() (stop func(), err error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "return", Type: ebpf.XDP, License: "GPL", Instructions: returnProgram(port)})
	if err != nil {
		return nil, fmt.Errorf("program that returns: %w", err)
	}
	defer p.Close()
	var l link.Link
	if err := k.server.Do(func() (err error) { l, err = attachXDP(k.Interface, p); return err }); err != nil {
		return nil, err
	}
	k.returns = true
	return func() { l.Close() }, nil
}
