package crawl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/fastdisc/discv5/internal/fleet"
	"github.com/fastdisc/discv5/internal/fleet/crawlqueue"
	"github.com/fastdisc/discv5/internal/proctest"
)

// serverVariable makes the test binary a server of NATS.
const serverVariable = "DISCV5_FLEET_TEST_SERVER"

// program is the path of the tool.
var program string

func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) != "" {
		serve(os.Args[1:])
		return
	}
	dir, err := os.MkdirTemp("", "discv5-fleet-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "discv5")
	code := 1
	// The tool belongs to another module.
	if out, err := exec.Command("go", "build", "-C", filepath.Join("..", "..", ".."), "-o", program, "./cmd/discv5").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
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

// natsServer is a server with a directory and a port that stay the same when it is started once
// more.
type natsServer struct {
	dir  string
	port int
	p    *proctest.Process
}

func startServer(t testing.TB) *natsServer {
	t.Helper()
	s := &natsServer{dir: t.TempDir()}
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.port = l.Addr().(*net.TCPAddr).Port
		l.Close()
		if s.try(t) {
			return s
		}
	}
	t.Fatal("the server does not start") // it has taken another test's port each time
	return nil
}

// start starts the server once more.
func (s *natsServer) start(t testing.TB) {
	t.Helper()
	if !s.try(t) {
		t.Fatal("the server does not start")
	}
}

// try reports whether the server accepts connections after its start.
func (s *natsServer) try(t testing.TB) bool {
	t.Helper()
	s.p = proctest.Start(t, proctest.Self(serverVariable, "-a", "127.0.0.1", "-p", strconv.Itoa(s.port), "-js", "-sd", s.dir), proctest.Options{})
	proctest.Eventually(t, "the server accepts connections or ends", func() bool {
		return !s.p.Running() || strings.Contains(s.p.Log.String(), "Server is ready")
	})
	return s.p.Running()
}

// kill ends the server without warning.
func (s *natsServer) kill(t testing.TB) {
	t.Helper()
	s.p.End(t, os.Kill)
}

func (s *natsServer) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

func (s *natsServer) url() string { return "nats://" + s.address() }

// open opens a crawl as a worker does that the test plays itself.
func (s *natsServer) open(t testing.TB, crawl, worker string) (*fleet.Conn, *crawlqueue.Queue) {
	t.Helper()
	conn, err := fleet.Open(fleet.Config{Servers: []string{s.url()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	q, err := crawlqueue.Open(context.Background(), conn, crawlqueue.Options{Name: crawl, Worker: worker, MaxNodes: 1 << 18, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return conn, q
}

// crawler is one process of the tool.
type crawler struct {
	p    *proctest.Process
	file string
}

// crawl starts a worker of a crawl.
func crawl(t testing.TB, s *natsServer, name string, args ...string) *crawler {
	t.Helper()
	c := &crawler{file: filepath.Join(t.TempDir(), "nodes.json")}
	args = append([]string{"crawl", c.file, "--json", "--fleet", s.url(), "--crawl-name", name}, args...)
	c.p = proctest.Start(t, exec.Command(program, args...), proctest.Options{})
	return c
}

// summary is what the tests read of a worker's summary.
type summary struct {
	Nodes     int     `json:"nodes"`
	Answered  int     `json:"answered"`
	Failed    int     `json:"failed"`
	Undecided int     `json:"undecided"`
	Skipped   int     `json:"skipped"`
	Waiting   int     `json:"waiting"`
	Seconds   float64 `json:"seconds"`
	Fleet     struct {
		Complete    bool   `json:"complete"`
		Visited     int    `json:"visited"`
		Redelivered uint64 `json:"redelivered"`
		Duplicates  uint64 `json:"duplicates"`
		Fenced      uint64 `json:"fenced"`
		Bad         uint64 `json:"bad"`
	} `json:"fleet"`
}

// patience is how long a crawl may take.
const patience = 40 * time.Minute

// end waits for the end of a worker, and returns its summary and its exit code.
func (c *crawler) end(t testing.TB) (s summary, code int) {
	t.Helper()
	select {
	case <-c.p.Exited:
	case <-time.After(patience):
		t.Fatalf("the crawl does not end:\n%s", c.p.Log)
	}
	code = c.p.Cmd.ProcessState.ExitCode()
	if err := json.Unmarshal([]byte(c.p.Out.String()), &s); err != nil {
		t.Fatalf("exit code %d, output %q: %v\n%s", code, c.p.Out, err, c.p.Log)
	}
	return s, code
}

// entry is what the tests read of an entry of nodes.json.
type entry struct {
	Seq    uint64  `json:"seq"`
	Record string  `json:"record"`
	Score  int     `json:"score"`
	RTT    float64 `json:"rtt"`
}

// readFile returns the content of a nodes.json.
func readFile(t testing.TB, path string) map[string]entry {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]entry{}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&set); err != nil {
		t.Fatal(err)
	}
	return set
}
