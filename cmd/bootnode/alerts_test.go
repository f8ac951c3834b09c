package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// alert is a Prometheus alert.
type alert struct{ expr, delay string }

var (
	alertRule = regexp.MustCompile(`(?m)^ +expr: (.*)\n +for: (.*)$`)
	alertRow  = regexp.MustCompile("(?m)^\\| `([^`]+ (?:==|>) [^`]+)` \\| (\\w+) \\|")
	threshold = regexp.MustCompile(` (?:==|>) \d+$`)
)

// readAlerts returns the alerts of deploy/alerts.yml.
func readAlerts(t *testing.T) (list []alert) {
	t.Helper()
	for _, m := range alertRule.FindAllStringSubmatch(readText(t, "deploy", "alerts.yml"), -1) {
		list = append(list, alert{m[1], m[2]})
	}
	if len(list) == 0 {
		t.Fatal("deploy/alerts.yml has no alerts")
	}
	return list
}

// Prometheus accepts the alerts. They and the manual agree, and they use metrics that exist.
func TestAlerts(t *testing.T) {
	t.Parallel()
	rules, rows := readAlerts(t), []alert(nil)
	for _, m := range alertRow.FindAllStringSubmatch(readText(t, "docs", "OPERATING.md"), -1) {
		rows = append(rows, alert{m[1], m[2]})
	}
	if len(rows) != len(rules) {
		t.Errorf("%d alerts in the manual, %d in deploy/alerts.yml", len(rows), len(rules))
	}
	served := servedMetrics(t)
	for i, a := range rules {
		if i < len(rows) && rows[i] != a {
			t.Errorf("%v in deploy/alerts.yml, %v in the manual", a, rows[i])
		}
		if !threshold.MatchString(a.expr) {
			t.Errorf("%s has no threshold", a.expr)
		}
		for _, n := range metricName.FindAllString(a.expr, -1) {
			if served[n] == nil {
				t.Errorf("%s: no metric %s", a.expr, n)
			}
		}
		for _, label := range labelsOf(a.expr, "") {
			found := label == "job" // which Prometheus adds
			for _, n := range metricName.FindAllString(a.expr, -1) {
				found = found || served[n][label]
			}
			if !found {
				t.Errorf("%s: no label %s", a.expr, label)
			}
		}
	}
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("probed for the program promtool, which is not installed: only the metrics were checked")
	}
	out, err := exec.Command(tool, "check", "rules", filepath.Join(root, "deploy", "alerts.yml")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "SUCCESS") {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
