package interop

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/proctest"
)

const (
	// driverStartTimeout includes loading the driver and its modules, while other drivers load too.
	driverStartTimeout = 3 * time.Minute
	// commandTimeout exceeds the time that any implementation allows for a lookup in a small
	// network.
	commandTimeout = 40 * time.Second
	// maxAnswer bounds one line of a driver.
	maxAnswer = 1 << 20
)

// driver is a process that runs one node of a foreign implementation. doc.go describes its
// protocol.
type driver struct {
	impl   *implementation
	key    *enr.PrivateKey
	addr   netip.AddrPort
	stderr *tail
	// timeout is how long the node waits for an answer, for each step of a handshake.
	timeout time.Duration

	cmd    *exec.Cmd
	stdin  io.WriteCloser
	exited chan struct{} // closed after Wait has returned
	err    error         // result of Wait, valid once exited is closed
	ended  bool          // stop was called

	mu      sync.Mutex
	last    int                    // ID of the last command
	waiting map[int]chan<- *answer // by ID of the command
}

// answer is a driver's output for a command. The fields depend on the command.
type answer struct {
	ID       int      `json:"id"`
	Error    string   `json:"error"`
	Record   string   `json:"record"`
	Records  []string `json:"records"`
	Seq      uint64   `json:"seq"`
	Endpoint string   `json:"endpoint"`
	Payload  string   `json:"payload"`
}

// parameters are the fields of a command except its ID and name.
type parameters map[string]any

// newDriver returns a driver with a new key and a free port, for a network. Its process has not
// started. The process stops when the test ends. If the test fails, its log is printed.
func newDriver(t *testing.T, impl *implementation, ip netip.Addr) *driver {
	t.Helper()
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal("generating a key:", err)
	}
	d := &driver{impl: impl, key: key, addr: proctest.FreePort(t, "udp", ip), stderr: new(tail), timeout: responseTimeout}
	t.Cleanup(func() {
		d.stop(t)
		if t.Failed() {
			t.Logf("%s driver on %v, log:\n%s", impl.name, d.addr, d.stderr)
		}
	})
	return d
}

// startDriver starts a process with a new node that waits long for answers.
func startDriver(t *testing.T, impl *implementation, ip netip.Addr) *driver {
	t.Helper()
	d := newDriver(t, impl, ip)
	d.timeout = patientTimeout
	if err := d.run(nil); err != nil {
		t.Fatal(err)
	}
	return d
}

// restart ends the process and starts another one with the same key and address. The node keeps its
// record, like a node that stores its record in a file, and has lost its sessions and its table.
func (d *driver) restart(t *testing.T) {
	t.Helper()
	record := d.record(t)
	d.stop(t)
	if err := d.run(record); err != nil {
		t.Fatal(err)
	}
}

// run starts the process and its node, with the given record, or a new one if that is nil.
func (d *driver) run(record *enr.Record) error {
	argv, err := d.impl.command()
	if err != nil {
		return err
	}
	d.cmd = exec.Command(argv[0], argv[1:]...)
	d.waiting, d.exited, d.ended = make(map[int]chan<- *answer), make(chan struct{}), false
	d.cmd.Stderr = d.stderr
	if d.stdin, err = d.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("starting the %s driver: %w", d.impl.name, err)
	}
	go d.read(stdout)

	secret := d.key.Bytes()
	p := parameters{"key": hex.EncodeToString(secret[:]), "addr": d.addr.String(), "timeout": d.timeout.Milliseconds()}
	if record != nil {
		p["record"] = record.String()
	}
	a, err := d.call(driverStartTimeout, "start", p)
	if err != nil {
		return err
	}
	r, err := enr.ParseText(a.Record)
	if err != nil {
		return fmt.Errorf("record of the %s node: %w\n%s", d.impl.name, err, a.Record)
	}
	if end, ok := endpointOf(r, d.addr.Addr()); !ok || end != d.addr || r.ID() != d.key.ID() {
		return fmt.Errorf("record of the %s node names %v at %v, want %v at %v", d.impl.name, r.ID(), end, d.key.ID(), d.addr)
	}
	return nil
}

// read passes on answers until the process ends.
func (d *driver) read(stdout io.Reader) {
	s := bufio.NewScanner(stdout)
	s.Buffer(nil, maxAnswer)
	for s.Scan() {
		a := new(answer)
		if err := json.Unmarshal(s.Bytes(), a); err != nil {
			fmt.Fprintf(d.stderr, "interop: answer is not understood: %v\n%q\n", err, s.Text())
			continue
		}
		d.mu.Lock()
		c := d.waiting[a.ID]
		delete(d.waiting, a.ID)
		d.mu.Unlock()
		if c != nil {
			c <- a
		}
	}
	io.Copy(io.Discard, stdout) // Wait must not be called before the pipe is drained
	d.err = d.cmd.Wait()
	close(d.exited)
}

// call sends a command and waits for the answer.
func (d *driver) call(timeout time.Duration, name string, p parameters) (*answer, error) {
	c := make(chan *answer, 1)
	d.mu.Lock()
	d.last++
	id := d.last
	d.waiting[id] = c
	command := map[string]any{"id": id, "cmd": name}
	for k, v := range p {
		command[k] = v
	}
	line, err := json.Marshal(command)
	if err == nil {
		_, err = d.stdin.Write(append(line, '\n'))
	}
	d.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("%s: command %s: %w", d.impl.name, name, err)
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case a := <-c:
		if a.Error != "" {
			return nil, fmt.Errorf("%s: command %s: %s", d.impl.name, name, a.Error)
		}
		return a, nil
	case <-d.exited:
		return nil, fmt.Errorf("%s: command %s: the driver has ended: %v\n%s", d.impl.name, name, d.cmd.ProcessState, d.stderr)
	case <-timer.C:
		return nil, fmt.Errorf("%s: command %s: no answer within %v", d.impl.name, name, timeout)
	}
}

// stop ends the process and expects exit code 0. A second call does nothing.
func (d *driver) stop(t *testing.T) {
	t.Helper()
	if d.cmd == nil || d.cmd.Process == nil || d.ended {
		return
	}
	d.ended = true
	_, err := d.call(stopTimeout, "exit", nil)
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-d.exited:
		if err = errors.Join(err, d.err); d.err != nil {
			t.Errorf("%s driver ended with %v, want exit code 0", d.impl.name, err)
		}
	case <-timer.C:
		t.Errorf("%s driver still runs %v after it was told to exit: %v", d.impl.name, stopTimeout, err)
		d.cmd.Process.Kill()
		<-d.exited
	}
	d.stdin.Close()
}

// must fails the test if a local command fails.
func (d *driver) must(t *testing.T, name string, p parameters) *answer {
	t.Helper()
	a, err := d.call(commandTimeout, name, p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// record returns the node's current record.
func (d *driver) record(t *testing.T) *enr.Record {
	t.Helper()
	return mustParse(t, d.must(t, "record", nil).Record)
}

// update sets a field of the node's record and returns the new record.
func (d *driver) update(t *testing.T, field, value string) *enr.Record {
	t.Helper()
	return mustParse(t, d.must(t, "update", parameters{"field": field, "value": value}).Record)
}

// table returns the records in the node's table.
func (d *driver) table() ([]*enr.Record, error) { return d.records("table", nil) }

// add puts a record into the node's table. The table may refuse it.
func (d *driver) add(r *enr.Record) error {
	_, err := d.call(commandTimeout, "add", parameters{"record": r.String()})
	return err
}

// ping returns the record's sequence number, and the endpoint of the driver's node in the PONG.
func (d *driver) ping(to *enr.Record) (uint64, netip.AddrPort, error) {
	a, err := d.call(commandTimeout, "ping", parameters{"record": to.String()})
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	end, err := netip.ParseAddrPort(a.Endpoint)
	return a.Seq, end, err
}

func (d *driver) findNode(to *enr.Record, distances ...uint) ([]*enr.Record, error) {
	return d.records("findnode", parameters{"record": to.String(), "distances": distances})
}

func (d *driver) talk(to *enr.Record, protocol string, payload []byte) ([]byte, error) {
	a, err := d.call(commandTimeout, "talk", parameters{
		"record": to.String(), "protocol": protocol, "payload": hex.EncodeToString(payload),
	})
	if err != nil {
		return nil, err
	}
	return hex.DecodeString(a.Payload)
}

func (d *driver) lookup(target enr.ID) ([]*enr.Record, error) {
	return d.records("lookup", parameters{"target": target.String()})
}

func (d *driver) records(name string, p parameters) ([]*enr.Record, error) {
	a, err := d.call(commandTimeout, name, p)
	if err != nil {
		return nil, err
	}
	list := make([]*enr.Record, len(a.Records))
	for i, s := range a.Records {
		if list[i], err = enr.ParseText(s); err != nil {
			return nil, fmt.Errorf("%s: command %s: record %d: %w\n%s", d.impl.name, name, i, err, s)
		}
	}
	return list, nil
}

func mustParse(t *testing.T, s string) *enr.Record {
	t.Helper()
	r, err := enr.ParseText(s)
	if err != nil {
		t.Fatalf("record: %v\n%s", err, s)
	}
	return r
}

// endpointOf returns the UDP endpoint in r of the family of ip.
func endpointOf(r *enr.Record, ip netip.Addr) (netip.AddrPort, bool) {
	if ip.Is4() {
		return r.UDPEndpoint4()
	}
	return r.UDPEndpoint6()
}
