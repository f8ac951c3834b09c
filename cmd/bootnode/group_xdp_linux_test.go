package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/proctest"
)

// startGroup runs a bootnode with two networks at ports 9000 and 9001, each with settings of its
// own.
func (l xdpLab) startGroup(t *testing.T, settings ...string) (*process, []*enr.Record) {
	t.Helper()
	text := fmt.Sprintf("datadir = %q\nlog-level = \"debug\"\n", t.TempDir())
	for i, s := range settings {
		text += fmt.Sprintf("[[network]]\nname = \"n%d\"\naddr = [\"0.0.0.0:%d\"]\n%s\n", i, 9000+i, s)
	}
	self := command("--config", write(t, text, 0o600))
	cmd := exec.Command("ip", append([]string{"netns", "exec", l.node}, self.Args...)...)
	cmd.Env = self.Env
	p := &process{Process: proctest.Start(t, cmd, proctest.Options{})}
	return p, p.records(t, len(settings))
}

// pongs has a peer ping a node until the answers are there and done says that it is enough.
func (l xdpLab) pongs(t *testing.T, r *enr.Record, done func() bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", l.peer, self)
	cmd.Env = append(os.Environ(), pingEnv+"="+r.String())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	peer := proctest.Start(t, cmd, proctest.Options{})
	eventually(t, "answers", func() bool { return done() && strings.Count(peer.Out.String(), "pong") >= 20 })
	stdin.Close() // which ends the peer
	if code := peer.Wait(t); code != 0 {
		t.Errorf("the peer ended with %d: %s", code, peer.Log.String())
	}
}

// line returns the first line of the log that has all parts.
func (p *process) line(parts ...string) string {
	for line := range strings.Lines(p.Log.String()) {
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, part)
		}
		if all {
			return line
		}
	}
	return ""
}

// TestGroupPrograms: several networks of one process share an interface, which has room for one XDP
// program. Each network gets its datagrams, and nothing is left at the end.
func TestGroupPrograms(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first string // settings of the first network, and of the second one
		next  string
		logs  [2][]string // parts of a line of each
	}{
		{
			"AF_XDP beside tc", `xdp = ["node0"]` + "\nfilter = \"xdp\"", `filter = "tc"`,
			[2][]string{{"answers leave through AF_XDP"}, {"source filter", "mode=tc"}},
		},
		{
			"sockets before AF_XDP", "", `xdp = ["node0"]`,
			[2][]string{{"msg=listening"}, {"answers leave through AF_XDP"}},
		},
		{
			"two filters", `filter = "xdp"`, `filter = "auto"`,
			[2][]string{{"source filter", "mode=xdp"}, {"source filter", "mode=tc", "another program is on the interface"}},
		},
		{
			"two filters of tc", `filter = "tc"`, `filter = "tc"`,
			[2][]string{{"source filter", "mode=tc"}, {"source filter", "mode=tc"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newXDPLab(t)
			p, records := l.startGroup(t, tt.first, tt.next)
			// The last line of a start. The records come before the log.
			eventually(t, "start of both", func() bool { return p.Log.Lines("msg=contacts") == 2 })
			for _, why := range []string{p.line("AF_XDP is off", "not supported"), p.line("source filter", "mode=socket", "not supported"), p.line("source filter", "mode=none")} {
				if why != "" {
					t.Skipf("probed for the programs that this kernel allows: %s", why)
				}
			}
			for i, r := range records {
				l.pongs(t, r, func() bool {
					return p.line(append([]string{fmt.Sprintf("network=n%d", i)}, tt.logs[i]...)...) != ""
				})
			}
			if code := p.End(t, syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d: %s", code, p.Log.String())
			}
			if l.hasProgram(t) {
				t.Error("a program is left")
			}
		})
	}
}
