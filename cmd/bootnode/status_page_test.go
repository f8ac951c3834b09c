package main

import (
	"bufio"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/internal/statuspage"
)

// The status page of a bootnode shows its identity, its peers, what has happened, and what is
// wrong.
func TestStatusPage(t *testing.T) {
	t.Parallel()
	config := write(t, "log-level = \"info\"\n", 0o600)
	a := start(t, t.TempDir(), "--http", anyPort, "--config", config, "--topics")
	b := start(t, t.TempDir(), "--bootnodes", a.record.String())
	eventually(t, "node in the table", func() bool { return decode[statuspage.Status](t, a, "/status").Table.Live == 1 })
	s := decode[statuspage.Status](t, a, "/status")
	if s.Identity.Record != a.record.String() || s.Identity.ID != a.record.ID().String() || s.Health.Level != statuspage.OK || s.Topics == nil || !strings.HasPrefix(s.Version, "bootnode ") {
		t.Errorf("status %+v", s)
	}
	if f := s.Fills[0]; f.Used != 1 || f.Max != defaultMaxSessions {
		t.Errorf("sessions: %+v", f)
	}
	eventually(t, "peers of the last hour", func() bool { return decode[statuspage.Status](t, a, "/status").Peers.Hour == 1 })
	code, page := a.get(t, "/")
	if code != http.StatusOK || !strings.Contains(page, a.record.String()) || !strings.Contains(page, "The bootnode has started") {
		t.Errorf("page: %d %.300s", code, page)
	}
	for path, want := range map[string]string{"/enr": a.record.String() + "\n", "/enode": s.Identity.Enode + "\n"} {
		if code, body := a.get(t, path); code != http.StatusOK || body != want {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}

	// A mistake in a reload is an event and a condition.
	if err := os.WriteFile(config, []byte("log-level = \"none\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.hangUp(t, "settings were not reloaded")
	eventually(t, "condition", func() bool {
		s = decode[statuspage.Status](t, a, "/status")
		return s.Health.Level == statuspage.Warning && strings.HasPrefix(s.Health.Reason, "The last reload of the settings failed")
	})
	if !slices.ContainsFunc(s.Events, func(e statuspage.Event) bool { return strings.Contains(e.Text, "The settings were not reloaded: ") }) {
		t.Errorf("events %+v", s.Events)
	}

	// A live page ends with the bootnode, which does not wait for it.
	r, err := http.Get("http://" + a.http + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body := bufio.NewReader(r.Body)
	if _, err := body.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	eventually(t, "stream in the metrics", func() bool { return a.metric(t, "discv5_http_streams") == 1 })
	before := time.Now()
	a.stop(t)
	if took := time.Since(before); took > proctest.Patience/2 {
		t.Errorf("the bootnode took %v to stop", took)
	}
	b.stop(t)
}

// Without --http there is no page and no metric of it.
func TestNoStatusPage(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "--metrics", anyPort)
	p.findHTTP(t)
	_, page := p.get(t, "/metrics")
	if strings.Contains(page, "discv5_http_streams") {
		t.Error("metrics of a page that is not there")
	}
	if code := p.End(t, os.Interrupt); code != cli.ExitOK {
		t.Errorf("exit code %d", code)
	}
}
