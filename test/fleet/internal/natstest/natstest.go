// Package natstest runs servers of NATS for the tests of this module: the test binary itself is the
// server, in a process of its own. Servers keep their directory and ports when a test starts them
// once more.
package natstest

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5/internal/proctest"
)

// childVariable makes the test binary a server of NATS.
const childVariable = "DISCV5_FLEET_TEST_SERVER"

// programVariable is the path of the program, for a test that runs once more in namespaces.
const programVariable = "DISCV5_FLEET_TEST_PROGRAM"

// atOnce is how many tests run at the same time unless the flag -parallel says otherwise: they
// mostly wait.
const atOnce = 6

// Main is TestMain for a package that starts servers and one of the programs of the repository. It
// builds the program, sets path to its place, and does not return.
func Main(m *testing.M, program string, path *string) {
	if os.Getenv(childVariable) != "" {
		serve(os.Args[1:])
		os.Exit(0)
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue && runtime.GOMAXPROCS(0) < atOnce {
		_ = f.Value.Set(strconv.Itoa(atOnce))
	}
	if *path = os.Getenv(programVariable); *path != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "discv5-fleet-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	*path = filepath.Join(dir, program)
	code := 1
	if err := build(*path, "./cmd/"+program); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// build builds a program of the repository, which is another module.
func build(path, dir string) error {
	out, err := exec.Command("go", "build", "-C", filepath.Join("..", "..", ".."), "-o", path, dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build of %s: %w\n%s", dir, err, out)
	}
	return nil
}

// serve is the main function of nats-server.
func serve(args []string) {
	set := flag.NewFlagSet("nats-server", flag.ExitOnError)
	none := func() {}
	options, err := server.ConfigureOptions(set, args, none, none, none)
	if err != nil {
		server.PrintAndDie(err.Error())
	}
	s, err := server.NewServer(options)
	if err != nil {
		server.PrintAndDie(err.Error())
	}
	s.ConfigureLogger()
	if err := server.Run(s); err != nil {
		server.PrintAndDie(err.Error())
	}
	s.WaitForShutdown()
}

// Place is where a process runs.
type Place struct {
	Addr netip.Addr // that it listens on
	// Enter changes a command so that it runs there. Nil means on this host.
	Enter func(*exec.Cmd)
}

// Loopback is the place of processes on this host.
var Loopback = Place{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})}

// Command returns a command that runs at p.
func (p Place) Command(cmd *exec.Cmd) *exec.Cmd {
	if p.Enter != nil {
		p.Enter(cmd)
	}
	return cmd
}

// Cluster is some servers that work together.
type Cluster struct {
	Servers []*Server
	options []nats.Option // of the test's own clients
}

// Server is a server whose directory and ports stay the same when it is started once more.
type Server struct {
	Name, Dir string
	P         *proctest.Process

	at            Place
	port, routing int
	config        string
}

// FreePort returns a TCP port that is free on this host.
func FreePort(t testing.TB) int {
	t.Helper()
	return int(proctest.FreePort(t, "tcp", Loopback.Addr).Port())
}

// Start starts servers on this host. extra is more text for their configuration, in which DIR
// stands for the directory of the server, and options are those that a client needs for servers
// with that configuration.
func Start(t testing.TB, size int, extra string, options ...nats.Option) *Cluster {
	t.Helper()
	places := make([]Place, size)
	for i := range places {
		places[i] = Loopback
	}
	return StartAt(t, places, extra, options...)
}

// StartAt is Start with a server at each place.
func StartAt(t testing.TB, places []Place, extra string, options ...nats.Option) *Cluster {
	t.Helper()
	c := &Cluster{options: options}
	for i, place := range places {
		c.Servers = append(c.Servers, &Server{Name: fmt.Sprintf("s%d", i+1), Dir: t.TempDir(), at: place})
	}
	// Another process may take a port before the server does.
	for range 5 {
		if c.try(t, extra) {
			c.Ready(t)
			return c
		}
	}
	t.Fatal("the servers do not start")
	return nil
}

// try writes the configuration of all servers and reports whether they accept connections.
func (c *Cluster) try(t testing.TB, extra string) bool {
	t.Helper()
	var routes []string
	for _, s := range c.Servers {
		s.port, s.routing = FreePort(t), FreePort(t)
		routes = append(routes, "nats://"+s.address(s.routing))
	}
	for _, s := range c.Servers {
		text := fmt.Sprintf("listen: %q\nserver_name: %s\n", s.Address(), s.Name)
		if !strings.Contains(extra, "jetstream") {
			text += fmt.Sprintf("jetstream { store_dir: %q, max_mem: 64MB, max_file: 8GB }\n", s.Dir)
		}
		if len(c.Servers) > 1 {
			text += fmt.Sprintf("cluster { name: test, listen: %q, routes: [%s] }\n", s.address(s.routing), strings.Join(routes, ", "))
		}
		s.config = filepath.Join(s.Dir, "server.conf")
		if err := os.WriteFile(s.config, []byte(text+strings.ReplaceAll(extra, "DIR", s.Dir)), 0o600); err != nil {
			t.Fatal(err)
		}
		if !s.try(t) {
			t.Logf("server %s has ended: %s", s.Name, s.P.Log)
			for _, o := range c.Servers {
				if o.P != nil && o.P.Running() {
					o.Kill(t)
				}
			}
			return false
		}
	}
	return true
}

// Start starts the server once more.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if !s.try(t) {
		t.Fatalf("server %s has ended: %s", s.Name, s.P.Log)
	}
}

// try reports whether the server accepts connections after its start.
func (s *Server) try(t testing.TB) bool {
	t.Helper()
	s.P = proctest.Start(t, s.at.Command(proctest.Self(childVariable, "-c", s.config)), proctest.Options{})
	proctest.Eventually(t, "the server accepts connections or ends", func() bool {
		return !s.P.Running() || strings.Contains(s.P.Log.String(), "Server is ready")
	})
	return s.P.Running()
}

// Configure replaces a part of the configuration of the server, for its next start or reload.
func (s *Server) Configure(t testing.TB, old, replacement string) {
	t.Helper()
	text, err := os.ReadFile(s.config)
	if err == nil && !strings.Contains(string(text), old) {
		err = fmt.Errorf("%q is not in the configuration:\n%s", old, text)
	}
	if err == nil {
		err = os.WriteFile(s.config, []byte(strings.ReplaceAll(string(text), old, replacement)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Kill ends the server without warning.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.P.End(t, os.Kill)
}

func (s *Server) address(port int) string {
	return netip.AddrPortFrom(s.at.Addr, uint16(port)).String()
}

// Address returns the address for clients.
func (s *Server) Address() string { return s.address(s.port) }

// URL returns the URL of the server, as --fleet takes it.
func (s *Server) URL() string { return "nats://" + s.Address() }

// URLs returns the URLs of the servers, as --fleet takes them.
func (c *Cluster) URLs() string {
	var list []string
	for _, s := range c.Servers {
		list = append(list, s.URL())
	}
	return strings.Join(list, ",")
}

// Connect returns a client that plays a member, an operator, or an attacker who has come this far.
// It has the options of the cluster and further ones.
func (c *Cluster) Connect(t testing.TB, more ...nats.Option) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	options := []nats.Option{nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(100 * time.Millisecond)}
	options = append(append(options, c.options...), more...)
	conn, err := nats.Connect(c.URLs(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn, js
}

// Ready waits until the cluster serves streams.
func (c *Cluster) Ready(t testing.TB) {
	t.Helper()
	_, js := c.Connect(t)
	proctest.Eventually(t, "the cluster serves JetStream", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := js.AccountInfo(ctx)
		return err == nil
	})
}

// Leader returns the server that leads the stream of a bucket.
func (c *Cluster) Leader(t testing.TB, js jetstream.JetStream, bucket string) (found *Server) {
	t.Helper()
	proctest.Eventually(t, "the bucket has a leader", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		stream, err := js.Stream(ctx, "KV_"+bucket)
		if err != nil {
			return false
		}
		info, err := stream.Info(ctx)
		if err != nil || info.Cluster == nil {
			return false
		}
		for _, s := range c.Servers {
			if s.Name == info.Cluster.Leader && s.P.Running() {
				found = s
			}
		}
		return found != nil
	})
	return found
}
