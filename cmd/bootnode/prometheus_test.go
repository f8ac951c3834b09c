package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/proctest"
)

// promServer is a Prometheus that scrapes bootnodes every second.
type promServer struct{ url string }

// startPrometheus runs the real server, with native histograms or without.
func startPrometheus(t *testing.T, native bool, targets ...string) promServer {
	t.Helper()
	tool, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("probed for the program prometheus, which is not installed")
	}
	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: bootnode\n  static_configs: [{targets: [%q]}]\n",
		strings.Join(targets, `","`))
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(config, `\"`, `"`)), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"--config.file=" + path, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0", "--log.level=info"}
	if native {
		args = append(args, "--enable-feature=native-histograms")
	}
	cmd := exec.Command(tool, args...)
	proctest.Start(t, cmd, proctest.Options{})
	// Prometheus logs its flag and not the port that it got: ask the system.
	p := promServer{}
	eventually(t, "prometheus", func() bool {
		for _, port := range listeningPorts(cmd.Process.Pid) {
			p.url = fmt.Sprintf("http://127.0.0.1:%d", port)
			if r, err := http.Get(p.url + "/-/ready"); err == nil {
				r.Body.Close()
				return r.StatusCode == http.StatusOK
			}
		}
		return false
	})
	return p
}

// listeningPorts returns the TCP ports that a process listens on.
func listeningPorts(pid int) (ports []int) {
	fds := filepath.Join("/proc", fmt.Sprint(pid), "fd")
	list, _ := os.ReadDir(fds)
	inodes := map[string]bool{}
	for _, fd := range list {
		if to, err := os.Readlink(filepath.Join(fds, fd.Name())); err == nil {
			inodes[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		text, _ := os.ReadFile("/proc/net/" + table)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			const listen = "0A"
			if len(f) < 10 || f[3] != listen || !inodes[f[9]] {
				continue
			}
			_, hex, _ := strings.Cut(f[1], ":")
			var port int
			if _, err := fmt.Sscanf(hex, "%x", &port); err == nil {
				ports = append(ports, port)
			}
		}
	}
	return ports
}

// query returns the number of series that have a value, and the error that the server names.
func (p promServer) query(expr string) (series int, err error) {
	r, err := http.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Value     []any
				Histogram []any
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Status != "success" {
		return 0, fmt.Errorf("%s", answer.Error)
	}
	for _, s := range answer.Data.Result {
		if len(s.Value) == 2 && s.Value[1] != "NaN" {
			series++
		}
	}
	return series, nil
}

// Every query of the dashboard, and every alert, has data in a real Prometheus, with classic and
// with native histograms.
func TestDashboardQueries(t *testing.T) {
	t.Parallel()
	chain := []string{"--network", "sepolia", "--layer", "execution", "--http", anyPort, "--fleet", "nats://127.0.0.1:9"}
	a := start(t, t.TempDir(), append(chain, "--topics", "--bootnodes", "")...)
	a.findHTTP(t)
	b := start(t, t.TempDir(), append(chain, "--bootnodes", a.record.String())...)
	b.findHTTP(t)
	queries := map[string]string{} // by expression: where it stands
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readText(t, "deploy", "grafana.json")), &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			queries[target.Expr] = p.Title
		}
	}
	for _, a := range readAlerts(t) {
		queries[threshold.ReplaceAllString(a.expr, "")] = "alert"
	}
	if len(queries) < 40 {
		t.Fatalf("%d queries", len(queries))
	}
	// Handshakes continue while the servers scrape.
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() {
		for {
			n, err := discv5.New(discv5.Config{ListenAddrs: mustAddrs("127.0.0.1:0"), Sockets: 1, Bootnodes: discv5.Contacts(a.record, b.record)})
			if err != nil {
				return
			}
			if n.Start(context.Background()) == nil {
				select {
				case <-stop:
				case <-time.After(500 * time.Millisecond):
				}
			}
			n.Close()
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for name, native := range map[string]bool{"classic": false, "native": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPrometheus(t, native, a.metrics, b.metrics)
			for expr, title := range queries {
				expr = strings.NewReplacer("$job", ".*", "$instance", ".*", "$__rate_interval", "1m").Replace(expr)
				expr = strings.TrimSuffix(expr, " > 0") // which hides what does not happen here
				var n int
				var err error
				eventually(t, title+": "+expr, func() bool {
					n, err = p.query(expr)
					return err != nil || n > 0
				})
				if err != nil {
					t.Errorf("%s: %s: %v", title, expr, err)
				}
			}
			if n, err := p.query("discv5_request_duration_seconds_bucket"); err != nil || (n == 0) != native {
				t.Errorf("%d classic buckets with native histograms: %v (%v)", n, native, err)
			}
		})
	}
}
