package serve

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// env carries the Spec to a child.
const env = "DISCV5_PERF_SERVE"

// ChildSpec returns the Spec of this process if it was started as a child.
func ChildSpec() (s Spec, ok bool, err error) {
	text, ok := os.LookupEnv(env)
	if ok {
		err = json.Unmarshal([]byte(text), &s)
	}
	return s, ok, err
}

// Child is a server's process as its parent sees it.
type Child struct {
	Spec  Spec
	Addr  netip.AddrPort
	Ready Reply

	foreign bool // it speaks the protocol of module interop
	last    int  // number of the last command to a foreign server

	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

// Start runs the server of spec on the given CPUs, most often one, in a new process of this
// program.
func Start(spec Spec, cpus ...int) (*Child, error) { return StartProgram("", spec, cpus...) }

// StartProgram is Start for a program that was built from another commit, if exe is not empty.
func StartProgram(exe string, spec Spec, cpus ...int) (*Child, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	if exe == "" {
		if exe, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	c := &Child{Spec: spec, cmd: exec.Command(exe)}
	c.cmd.Env = append(os.Environ(), env+"="+string(text))
	c.cmd.Stderr = os.Stderr
	if err := c.start(cpus...); err != nil {
		return nil, err
	}
	if c.Ready, err = c.reply(); err == nil {
		c.Addr, err = netip.ParseAddrPort(c.Ready.Addr)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("start %s: %w", spec.Kind, err)
	}
	return c, nil
}

// start starts the process on the given CPUs, with pipes to it and from it.
func (c *Child) start(cpus ...int) (err error) {
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	c.lines = bufio.NewScanner(out)
	c.lines.Buffer(nil, 1<<20)
	if err := startOn(c.cmd, cpus...); err != nil {
		return fmt.Errorf("start %s: %w", c.Spec.Kind, err)
	}
	return nil
}

// startOn starts cmd on the given CPUs. A child inherits the mask of the thread that started it, so
// that all its threads are bound before the first of them runs and the runtime sees these CPUs
// alone.
func startOn(cmd *exec.Cmd, cpus ...int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := pinThread(0, cpus...); err != nil {
		return err
	}
	defer unix.SchedSetaffinity(0, &before)
	return cmd.Start()
}

func pinThread(tid int, cpus ...int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	return unix.SchedSetaffinity(tid, &set)
}

// Pin binds all threads of this process to one CPU.
func Pin(cpu int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		var tid int
		if _, err := fmt.Sscan(t.Name(), &tid); err != nil {
			return err
		}
		if err := pinThread(tid, cpu); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// CPUs lists the CPUs that this process may use. Less than two are an error: one is for the server
// and one for the load generator.
func CPUs() (list []int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, err
	}
	for i := range 8 * len(set) * 8 {
		if set.IsSet(i) {
			list = append(list, i)
		}
	}
	if len(list) < 2 {
		return nil, errors.New("two CPUs are needed: one for the server and one for the load generator")
	}
	return list, nil
}

// PID is the child's process ID.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Do sends a command and waits for its answer.
func (c *Child) Do(cmd Command) (Reply, error) {
	if c.foreign {
		return Reply{}, fmt.Errorf("%s: no command %q to a foreign server", c.Spec.Kind, cmd.Op)
	}
	b, err := json.Marshal(cmd)
	if err != nil {
		return Reply{}, err
	}
	if _, err := c.in.Write(append(b, '\n')); err != nil {
		return Reply{}, fmt.Errorf("%s: %w", c.Spec.Kind, err)
	}
	return c.reply()
}

// Usage asks for the child's usage so far.
func (c *Child) Usage() (Usage, error) {
	if c.foreign {
		return c.outside()
	}
	r, err := c.Do(Command{Op: "usage"})
	return r.Usage, err
}

func (c *Child) reply() (r Reply, err error) {
	if !c.lines.Scan() {
		return r, fmt.Errorf("%s has ended: %w", c.Spec.Kind, errors.Join(io.ErrUnexpectedEOF, c.lines.Err()))
	}
	if err := json.Unmarshal(c.lines.Bytes(), &r); err != nil {
		return r, fmt.Errorf("%s: %w", c.Spec.Kind, err)
	}
	if r.Error != "" {
		return r, fmt.Errorf("%s: %s", c.Spec.Kind, r.Error)
	}
	return r, nil
}

// Close ends the child.
func (c *Child) Close() error {
	c.in.Close()
	return c.cmd.Wait()
}
