package main

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// root is the directory of the module, relative to this package.
var root = filepath.Join("..", "..")

func readText(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// labelSet holds the names of a metric's labels.
type labelSet map[string]bool

// servedMetrics returns the metrics that a bootnode serves after some requests. A metric without a
// value is not on the page.
func servedMetrics(t *testing.T) map[string]labelSet {
	// --bootnodes replaces the published bootnodes, which tests must not contact.
	// Nothing listens at the address of the fleet, whose metrics are served all the same.
	chain := []string{"--network", "sepolia", "--layer", "execution", "--http", anyPort, "--fleet", "nats://127.0.0.1:9"}
	a := start(t, t.TempDir(), append(chain, "--bootnodes", "")...)
	b := start(t, t.TempDir(), append(chain, "--bootnodes", a.record.String())...)
	other := start(t, t.TempDir(), "--bootnodes", b.record.String())
	eventually(t, "node in the table", func() bool { return b.metric(t, "discv5_table_live_nodes") == 1 })
	eventually(t, "refused node", func() bool {
		_, page := b.get(t, "/metrics")
		return strings.Contains(page, `discv5_refused_fork_nodes{fork="none",match="absent"} 1`)
	})
	_, page := b.get(t, "/metrics")
	names := map[string]labelSet{}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		end := strings.IndexAny(line, "{ ")
		if names[line[:end]] == nil {
			names[line[:end]] = labelSet{}
		}
		for _, label := range labelValue.FindAllStringSubmatch(line[end:], -1) {
			names[line[:end]][label[1]] = true
		}
	}
	other.stop(t)
	b.stop(t)
	a.stop(t)
	return names
}

// Labels in a query: in a matcher, in a grouping, and in the name of a line.
var (
	labelValue = regexp.MustCompile(`([a-z_]+)=~?"`)
	grouping   = regexp.MustCompile(`by \(([a-z_, ]+)\)`)
	lineName   = regexp.MustCompile(`\{\{([a-z_]+)\}\}`)
)

// labelsOf returns the labels in a query and in the name of its lines.
func labelsOf(expr, legend string) (labels []string) {
	for _, m := range labelValue.FindAllStringSubmatch(expr, -1) {
		labels = append(labels, m[1])
	}
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		labels = append(labels, strings.Split(m[1], ", ")...)
	}
	for _, m := range lineName.FindAllStringSubmatch(legend, -1) {
		labels = append(labels, m[1])
	}
	return labels
}

var metricName = regexp.MustCompile(`\b(?:discv5|go|process)_[a-z0-9_]+`)

// The dashboard names only metrics and labels that exist. The manual names only metrics that exist,
// and all of this program's.
func TestDashboard(t *testing.T) {
	t.Parallel()
	served := servedMetrics(t)
	text := readText(t, "deploy", "grafana.json")
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct {
				Name  string
				Query any
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &board); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 || p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d %q", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			names := metricName.FindAllString(target.Expr, -1)
			if len(names) == 0 || strings.Count(target.Expr, "(") != strings.Count(target.Expr, ")") {
				t.Errorf("%s: %s", p.Title, target.Expr)
			}
			labels := labelSet{"job": true, "instance": true} // which Prometheus adds
			for _, n := range names {
				// native histograms have no suffix
				if served[n] == nil && served[n+"_bucket"] == nil {
					t.Errorf("%s: no metric %s", p.Title, n)
				}
				maps.Copy(labels, served[n])
			}
			for _, label := range labelsOf(target.Expr, target.LegendFormat) {
				if !labels[label] {
					t.Errorf("%s: no label %s in %s %q", p.Title, label, target.Expr, target.LegendFormat)
				}
			}
		}
	}
	for _, v := range board.Templating.List {
		q, _ := json.Marshal(v.Query)
		for _, n := range metricName.FindAllString(string(q), -1) {
			if served[n] == nil {
				t.Errorf("variable %s: no metric %s", v.Name, n)
			}
		}
	}

	manual := readText(t, "docs", "OPERATING.md")
	for _, n := range metricName.FindAllString(manual, -1) {
		n = strings.TrimSuffix(n, "_")
		if strings.HasPrefix(n, namespace) && served[n] == nil && served[n+"_bucket"] == nil {
			t.Errorf("docs/OPERATING.md: no metric %s", n)
		}
	}
	for n := range served {
		base := strings.NewReplacer("_bucket", "", "_sum", "", "_count", "").Replace(n)
		if strings.HasPrefix(n, namespace) && !strings.Contains(manual, base) {
			t.Errorf("docs/OPERATING.md: nothing about %s", base)
		}
	}
}

// Every setting is in the sample configuration and in the manual, and the sample is valid.
func TestSampleConfig(t *testing.T) {
	path := filepath.Join(root, "deploy", "bootnode.toml")
	o, err := load([]string{"--config", path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if o.http == "" || o.metrics == "" {
		t.Error("the sample sets nothing")
	}
	text, manual := readText(t, "deploy", "bootnode.toml"), readText(t, "docs", "OPERATING.md")
	// Without the comment signs of its settings the file is still valid.
	assignments := regexp.MustCompile(`(?m)^# ([a-z][a-z0-9.-]* = .*)$`)
	settings, err := readConfig(write(t, assignments.ReplaceAllString(text, "$1"), 0o600), "--config")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string][]string{}
	for _, s := range settings {
		there[s.name] = s.values
	}
	defaults := flagSet(new(options))
	defaults.VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(manual, "`--"+f.Name) {
			t.Errorf("docs/OPERATING.md: nothing about --%s", f.Name)
		}
		if onlyFlag(f.Name) {
			return
		}
		values, ok := there[f.Name]
		if !ok {
			t.Errorf("%s is not in the sample", f.Name)
			return
		}
		delete(there, f.Name)
		was := f.Value.String()
		if err := assign(f, values, f.Name); err != nil {
			t.Error(err)
		}
		if was != "" && was != "[]" && was != f.Value.String() {
			t.Errorf("the sample says that %s is %s, the default is %s", f.Name, f.Value, was)
		}
	})
	for name := range there {
		t.Errorf("the sample has %s, which is no setting", name)
	}
}

// systemd accepts the unit file. Without systemd, the test checks the command of the unit only.
func TestUnitFile(t *testing.T) {
	t.Parallel()
	unit := readText(t, "deploy", "bootnode.service")
	_, command, ok := strings.Cut(unit, "\nExecStart=")
	command, _, _ = strings.Cut(command, "\n")
	args := strings.Fields(command)
	if !ok || len(args) < 2 {
		t.Fatalf("ExecStart=%s", command)
	}
	for i, a := range args {
		args[i] = strings.NewReplacer("${STATE_DIRECTORY}", t.TempDir(), "/etc/discv5", filepath.Join(root, "deploy")).Replace(a)
	}
	if _, err := load(args[1:], nil); err != nil {
		t.Errorf("ExecStart: %v", err)
	}
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("probed for systemd-analyze, which is not there: only ExecStart was looked at")
	}
	// The program is not installed here: use another one that exists.
	path := filepath.Join(t.TempDir(), "bootnode.service")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(unit, "/usr/local/bin/bootnode", "/bin/true")), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "verify", "--man=no", path).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		// Versions before 253 fall back to the line before that one.
		if strings.Contains(line, "bootnode.service") && !strings.Contains(line, "ignoring: notify-reload") {
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
	if err != nil {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// The Dockerfile builds the program by the line of the Makefile, from files that exist, and does
// not run it as root.
func TestDockerfile(t *testing.T) {
	text := readText(t, "deploy", "Dockerfile")
	goMod := readText(t, "go.mod")
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(goMod)[1]
	build := regexp.MustCompile(`(?m)^\t\$\(GO\) (build [^\n]*?) -o bin/ \./cmd/\.\.\.$`).FindStringSubmatch(readText(t, "Makefile"))
	if build == nil {
		t.Fatal("the Makefile has no build line")
	}
	for _, want := range []string{
		"FROM golang:" + version + " AS build\n", "CGO_ENABLED=0 go " + build[1] + " -o /out/bootnode ./cmd/bootnode\n",
		"COPY --from=build /out/bootnode /bootnode\n", "\nUSER 65532:65532\n", "\nEXPOSE 9000/udp\n", `ENTRYPOINT ["/bootnode", "--datadir", "/data"]`, "\nVOLUME /data\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the Dockerfile has no %q", want)
		}
	}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "COPY" || strings.HasPrefix(fields[1], "--") {
			continue
		}
		for _, name := range fields[1 : len(fields)-1] {
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(line), err)
			}
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	// The image needs a program without C libraries, and a data directory that exists.
	if o := mustLoad(t, []string{"--datadir", "/data"}, nil); o.dataDir != "/data" {
		t.Error("the entry point's flags are not understood")
	}
}

// TestMakeRunPrintsRecordFirst: make itself writes nothing to standard output, so that the record
// is the first line there, as the README says.
func TestMakeRunPrintsRecordFirst(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("probed for make, which is not installed")
	}
	readText(t, "Makefile") // so that a cached result is not used when it changes
	cmd := exec.Command("make", "--no-print-directory", "-C", root, "run", "GO=echo", "ARGS=--addr :0")
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out), "run ./cmd/bootnode --addr :0\n"; got != want {
		t.Errorf("make run writes %q, want what the program writes, %q", got, want)
	}
}
