package load

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestParseProcess(t *testing.T) {
	const good = "4711 (a ) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 8888 1000000 300 18446744073709551615 1 1\n"
	p, err := parseProcess(good, 10*time.Millisecond)
	if err != nil || p.user != 2500*time.Millisecond || p.system != 500*time.Millisecond || p.began != 8888 || p.rss != 300*uint64(os.Getpagesize()) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, text := range []string{"", ")", "1 (x) S 1 2 3", "1 (x) S 1 2 3 4 5 6 7 8 9 10 x 50 0 0 20 0 9 0 8888 1000000 300"} {
		if _, err := parseProcess(text, 1); err == nil {
			t.Errorf("%q is read", text)
		}
	}
	if tick := clockTick(); tick < 100*time.Microsecond || tick > 100*time.Millisecond {
		t.Errorf("clock tick %v", tick)
	}
}

func TestMeter(t *testing.T) {
	if _, err := NewMeter(1 << 30); !errors.Is(err, ErrProcess) {
		t.Errorf("a process that is not there: %v", err)
	}
	m, err := NewMeter(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	before := m.Read()
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
	}
	u := m.Read().since(before)
	if !u.TargetKnown || u.TargetRSS == 0 || u.OwnUser+u.OwnSystem <= 0 || !u.StealKnown || u.Steal < 0 {
		t.Errorf("%+v", u)
	}
	if own, target := u.OwnUser+u.OwnSystem, u.TargetUser+u.TargetSystem; target > own+50*time.Millisecond {
		t.Errorf("this process took %v by one count and %v by the other", own, target)
	}
}

// A process that ends is gone, and its figures with it.
func TestMeterGone(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run", "^$")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m, err := NewMeter(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	before := m.Read()
	in.Close()
	cmd.Wait()
	if u := m.Read().since(before); u.TargetKnown || u.TargetUser != 0 || !m.Gone() {
		t.Errorf("%+v, gone %v", u, m.Gone())
	}
}
