package bootnode

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5/internal/proctest"
)

// serverVariable makes the test binary a server of NATS.
const serverVariable = "DISCV5_FLEET_TEST_SERVER"

// program is the path of the bootnode.
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
	program = filepath.Join(dir, "bootnode")
	code := 1
	if err := build(program); err != nil {
		fmt.Fprintln(os.Stderr, err)
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

// cluster is some servers that work together.
type cluster struct {
	servers []*natsServer
	options []nats.Option // of the test's own clients
}

// natsServer is a server whose directory and ports stay the same when it is started once more.
type natsServer struct {
	name, dir     string
	port, routing int
	config        string
	p             *proctest.Process
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// startCluster starts servers. extra is more text for their configuration, and options are those
// that a client needs for servers with that configuration.
func startCluster(t testing.TB, size int, extra string, options ...nats.Option) *cluster {
	t.Helper()
	c := &cluster{options: options}
	var routes []string
	for i := range size {
		s := &natsServer{name: fmt.Sprintf("s%d", i+1), dir: t.TempDir(), port: freePort(t), routing: freePort(t)}
		c.servers = append(c.servers, s)
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", s.routing))
	}
	for _, s := range c.servers {
		text := fmt.Sprintf("listen: 127.0.0.1:%d\nserver_name: %s\n", s.port, s.name)
		if !strings.Contains(extra, "jetstream") {
			text += fmt.Sprintf("jetstream { store_dir: %q, max_mem: 64MB, max_file: 8GB }\n", s.dir)
		}
		if size > 1 {
			text += fmt.Sprintf("cluster { name: test, listen: 127.0.0.1:%d, routes: [%s] }\n", s.routing, strings.Join(routes, ", "))
		}
		s.config = filepath.Join(s.dir, "server.conf")
		if err := os.WriteFile(s.config, []byte(text+strings.ReplaceAll(extra, "DIR", s.dir)), 0o600); err != nil {
			t.Fatal(err)
		}
		s.start(t)
	}
	c.ready(t)
	return c
}

// start starts the server, or starts it once more.
func (s *natsServer) start(t testing.TB) {
	t.Helper()
	s.p = proctest.Start(t, proctest.Self(serverVariable, "-c", s.config), proctest.Options{})
	proctest.Eventually(t, "the server accepts connections", func() bool {
		if !s.p.Running() {
			t.Fatalf("server %s has ended: %s", s.name, s.p.Log)
		}
		return strings.Contains(s.p.Log.String(), "Server is ready")
	})
}

func (s *natsServer) kill(t testing.TB) {
	t.Helper()
	s.p.End(t, os.Kill)
}

func (s *natsServer) address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// urls returns the URLs of the servers, as --fleet takes them.
func (c *cluster) urls() string {
	var list []string
	for _, s := range c.servers {
		list = append(list, "nats://"+s.address())
	}
	return strings.Join(list, ",")
}

// connect returns a client that plays a member, or an attacker who has come this far.
func (c *cluster) connect(t testing.TB) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	options := append([]nats.Option{nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(100 * time.Millisecond)}, c.options...)
	conn, err := nats.Connect(c.urls(), options...)
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

// ready waits until the cluster serves streams.
func (c *cluster) ready(t testing.TB) {
	t.Helper()
	_, js := c.connect(t)
	proctest.Eventually(t, "the cluster serves JetStream", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := js.AccountInfo(ctx)
		return err == nil
	})
}

// leader returns the server that leads the stream of a bucket.
func (c *cluster) leader(t testing.TB, js jetstream.JetStream, bucket string) (found *natsServer) {
	t.Helper()
	proctest.Eventually(t, "the bucket has a leader", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stream, err := js.Stream(ctx, "KV_"+bucket)
		if err != nil {
			return false
		}
		info, err := stream.Info(ctx)
		if err != nil || info.Cluster == nil {
			return false
		}
		for _, s := range c.servers {
			if s.name == info.Cluster.Leader && s.p.Running() {
				found = s
			}
		}
		return found != nil
	})
	return found
}

// bucket opens or creates a bucket with limits of the test's own.
func bucket(t testing.TB, js jetstream.JetStream, cfg jetstream.KeyValueConfig) (kv jetstream.KeyValue) {
	t.Helper()
	cfg.History = 1
	proctest.Eventually(t, "bucket "+cfg.Bucket, func() (ok bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var err error
		if kv, err = js.KeyValue(ctx, cfg.Bucket); err != nil {
			kv, err = js.CreateKeyValue(ctx, cfg)
		}
		return err == nil
	})
	return kv
}

// put writes a value.
func put(t testing.TB, kv jetstream.KeyValue, key string, value any) {
	t.Helper()
	b, ok := value.([]byte)
	if !ok {
		var err error
		if b, err = json.Marshal(value); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := kv.Put(ctx, key, b); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}
