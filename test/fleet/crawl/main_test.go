package crawl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/fleet"
	"github.com/fastdisc/discv5/internal/fleet/crawlqueue"
	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/test/fleet/internal/natstest"
)

// program is the path of the tool.
var program string

func TestMain(m *testing.M) { natstest.Main(m, "discv5", &program) }

// natsServer is a server without a cluster.
type natsServer struct{ *natstest.Server }

func startServer(t testing.TB) *natsServer {
	t.Helper()
	return &natsServer{natstest.Start(t, 1, "").Servers[0]}
}

// open opens a crawl as a worker does that the test plays itself.
func (s *natsServer) open(t testing.TB, crawl, worker string) (*fleet.Conn, *crawlqueue.Queue) {
	t.Helper()
	conn, err := fleet.Open(fleet.Config{Servers: []string{s.URL()}})
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

// requestTimeout is how long a worker waits for an answer. A node that answers is asked once, also
// where the machine stands still for a moment.
const requestTimeout = "3s"

// crawl starts a worker of a crawl.
func crawl(t testing.TB, s *natsServer, name string, args ...string) *crawler {
	t.Helper()
	c := &crawler{file: filepath.Join(t.TempDir(), "nodes.json")}
	args = append([]string{"crawl", c.file, "--json", "--fleet", s.URL(), "--crawl-name", name, "--request-timeout", requestTimeout}, args...)
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
