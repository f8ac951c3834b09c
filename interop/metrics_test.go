package interop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// httpGet returns the body of a page of the bootnode's HTTP server.
func httpGet(ctx context.Context, server netip.AddrPort, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server.String()+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: status %s", path, resp.Status)
	}
	return string(body), err
}

// scrapeGauges reads /metrics and returns each gauge, summed over its labels.
func scrapeGauges(ctx context.Context, server netip.AddrPort) (map[string]float64, error) {
	page, err := httpGet(ctx, server, "/metrics")
	if err != nil {
		return nil, err
	}
	return parseGauges(page)
}

// parseGauges reads the Prometheus text format:
//
//	# TYPE discv5_table_nodes gauge
//	discv5_table_nodes{bucket="256"} 16
func parseGauges(page string) (map[string]float64, error) {
	gauges := make(map[string]float64)
	s := bufio.NewScanner(strings.NewReader(page))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		if f := strings.Fields(line); len(f) == 4 && f[0] == "#" && f[1] == "TYPE" && f[3] == "gauge" {
			gauges[f[2]] = 0
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest := line, ""
		if i := strings.IndexAny(line, "{ "); i > 0 {
			name, rest = line[:i], line[i:]
		}
		if _, ok := gauges[name]; !ok {
			continue
		}
		if i := strings.LastIndexByte(rest, '}'); i >= 0 {
			rest = rest[i+1:]
		}
		f := strings.Fields(rest)
		if len(f) == 0 {
			return nil, fmt.Errorf("metrics: no value in %q", line)
		}
		v, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: %q: %w", line, err)
		}
		gauges[name] += v
	}
	return gauges, s.Err()
}

// tableGrowth returns the gauge of table entries with the largest growth since before, and the
// growth. A gauge of a table's limit does not grow.
func tableGrowth(before, now map[string]float64) (name string, growth float64) {
	only := os.Getenv("DISCV5_TABLE_METRIC")
	for n, v := range now {
		isTable := n == only
		if only == "" {
			isTable = strings.Contains(n, "table") || strings.Contains(n, "bucket")
		}
		if d := v - before[n]; isTable && (name == "" || d > growth) {
			name, growth = n, d
		}
	}
	return name, growth
}

func TestParseGauges(t *testing.T) {
	got, err := parseGauges(`# HELP x_table_nodes Nodes {by} bucket.
# TYPE x_table_nodes gauge
x_table_nodes{bucket="256",live="1"} 16
x_table_nodes{bucket="255",live="1"} 3.5 1700000000
# TYPE x_packets_total counter
x_packets_total 99
# TYPE x_up gauge
x_up 1
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got["x_table_nodes"] != 19.5 || got["x_up"] != 1 {
		t.Errorf("got %v", got)
	}
	name, growth := tableGrowth(map[string]float64{"x_table_nodes": 1, "x_up": 0}, got)
	if name != "x_table_nodes" || growth != 18.5 {
		t.Errorf("table growth: %s by %v", name, growth)
	}
}
