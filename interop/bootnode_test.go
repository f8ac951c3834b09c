package interop

import (
	"bufio"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/fastdisc/discv5/internal/proctest"
)

const (
	startTimeout = time.Minute // until the record is on standard output
	stopTimeout  = time.Minute // from the signal to the exit
)

// bootConfig is the configuration of a bootnode. A bootnode that is restarted with the same config
// has the same identity, address and data directory.
type bootConfig struct {
	addr      netip.AddrPort // UDP address
	extip     string         // --extip; "": the record contains the UDP address
	metrics   netip.AddrPort // zero: no server of metrics
	key       string         // private key in hex
	datadir   string
	bootnodes []string // enr: or enode: text
	xdp       string   // --xdp
	namespace string   // network namespace to run in; "": that of the test
	topics    bool     // a registrar of topics
	config    string   // a configuration file in place of all flags
}

// newBootConfig returns a config with a fresh key, an empty data directory and
// free ports of the given loopback address.
func newBootConfig(t *testing.T, ip netip.Addr) bootConfig {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal("generating a node key:", err)
	}
	if lab := xdpLabOf(t); lab != nil {
		return lab.bootConfig(ip, hex.EncodeToString(crypto.FromECDSA(key)), t.TempDir())
	}
	return bootConfig{
		addr:    proctest.FreePort(t, "udp", ip),
		key:     hex.EncodeToString(crypto.FromECDSA(key)),
		datadir: t.TempDir(),
	}
}

func (c bootConfig) args() []string {
	if c.config != "" {
		return []string{"--config", c.config}
	}
	args := []string{
		"--addr", c.addr.String(),
		"--nodekeyhex", c.key,
		"--datadir", c.datadir,
		"--log-level", "info",
	}
	if c.extip != "" {
		args = append(args, "--extip", c.extip)
	}
	if c.metrics.IsValid() {
		args = append(args, "--metrics", c.metrics.String())
	}
	if c.xdp != "" {
		args = append(args, "--xdp", c.xdp)
	}
	if c.topics {
		args = append(args, "--topics")
	}
	if len(c.bootnodes) > 0 {
		args = append(args, "--bootnodes", strings.Join(c.bootnodes, ","))
	}
	return args
}

// command returns the process to start.
func (c bootConfig) command(path string) *exec.Cmd {
	if c.namespace == "" {
		return exec.Command(path, c.args()...)
	}
	return exec.Command("ip", append([]string{"netns", "exec", c.namespace, path}, c.args()...)...)
}

// bootnode is a running process under test.
type bootnode struct {
	bootConfig
	node    *enode.Node // parsed from the first line of standard output
	cmd     *exec.Cmd
	stderr  *tail
	stopped bool          // stop was called
	exited  chan struct{} // closed after Wait has returned
	err     error         // result of Wait, valid once exited is closed
}

// startBootnode starts the process and waits for its record. The process stops when the test ends.
// If the test fails, its log is printed.
func startBootnode(t *testing.T, cfg bootConfig) *bootnode {
	t.Helper()
	path, err := bootnodeBinary()
	if err != nil {
		t.Fatal("bootnode binary:", err)
	}
	return startBootnodeAt(t, path, cfg)
}

// startBootnodeAt is startBootnode with the path of the program.
func startBootnodeAt(t *testing.T, path string, cfg bootConfig) *bootnode {
	t.Helper()
	b := &bootnode{
		bootConfig: cfg,
		cmd:        cfg.command(path),
		stderr:     new(tail),
		exited:     make(chan struct{}),
	}
	b.cmd.Stderr = b.stderr
	stdout, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal("bootnode stdout:", err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal("starting the bootnode:", err)
	}
	first := make(chan string, 1)
	go func() {
		r := bufio.NewReader(stdout)
		line, _ := r.ReadString('\n')
		first <- line
		io.Copy(io.Discard, r) // Wait must not be called before the pipe is drained
		b.err = b.cmd.Wait()
		close(b.exited)
	}()
	t.Cleanup(func() {
		b.stop(t, syscall.SIGTERM)
		if t.Failed() {
			t.Logf("bootnode %s, log:\n%s", b.addr, b.stderr)
		}
	})

	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case line := <-first:
		var err error
		b.node, err = enode.Parse(enode.ValidSchemes, strings.TrimSuffix(line, "\n"))
		if err == nil && !strings.HasPrefix(line, "enr:") {
			err = errors.New("not in enr: form")
		}
		if err != nil {
			t.Fatalf("first line of the bootnode's output is not a node record: %v\n%q", err, line)
		}
	case <-timeout.C:
		t.Fatalf("bootnode printed no record within %v", startTimeout)
	}
	if ep, ok := b.node.UDPEndpoint(); cfg.extip == "" && (!ok || ep != cfg.addr) {
		t.Fatalf("record has UDP endpoint %v, the bootnode listens on %v\n%s", ep, cfg.addr, b.node)
	}
	return b
}

// stop sends sig and expects exit code 0. It kills a process that does not exit in time, which is
// an error, as is an earlier exit. A second call does nothing.
func (b *bootnode) stop(t *testing.T, sig os.Signal) {
	t.Helper()
	if b.stopped {
		return
	}
	b.stopped = true
	select {
	case <-b.exited:
		t.Errorf("bootnode ended too early: %v", b.cmd.ProcessState)
		return
	default:
	}
	if err := b.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("sending %v to the bootnode: %v", sig, err)
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-b.exited:
		if b.err != nil {
			t.Errorf("bootnode after %v: %v, want exit code 0", sig, b.err)
		}
	case <-timeout.C:
		t.Errorf("bootnode still runs %v after %v", stopTimeout, sig)
		b.cmd.Process.Kill()
		<-b.exited
	}
}
