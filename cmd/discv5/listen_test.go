package main

import (
	"context"
	"runtime"
	"testing"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
)

func TestListen(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("probed for SIGINT between processes: this platform has none")
	}
	for _, addr := range families {
		boot := loopback(t, addr, nil)
		p := start(t, "listen", "--bootnodes", boot.LocalRecord().String(), "--talk", "chat", "--talk", "0x500a", "--echo", "--key", testKey)
		r, err := enr.ParseText(p.first(t))
		if err != nil {
			t.Fatalf("first line %q: %v", p.first(t), err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		to := discv5.ContactOf(r)
		if answer, err := boot.Talk(ctx, to, "chat", []byte("hi")); err != nil || string(answer) != "hi" {
			t.Errorf("talk: %q, %v", answer, err)
		}
		if _, err := boot.Talk(ctx, to, "\x50\x0a", nil); err != nil {
			t.Errorf("talk: %v", err)
		}
		id := boot.ID().String()
		for _, line := range [][]string{{"added", id, boot.Addrs()[0].String()}, {"live", id}, {"talk", id, "chat", "6869"}, {"talk", id, "0x500a"}} {
			until(t, line[0], func() bool { return p.has(line...) })
		}
		p.interrupt(t)
		if code, _ := p.wait(t); code != cli.ExitOK {
			t.Errorf("exit code %d", code)
		}
	}
}

func TestListenJSON(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("probed for SIGINT between processes: this platform has none")
	}
	p := start(t, "listen", "--json", "--addr", "127.0.0.1:0", "--extip", "192.0.2.1", "--status", "100ms")
	p.first(t)
	until(t, "status", func() bool { return p.has(`"event":"status"`, `"table":0`) })
	p.interrupt(t)
	code, out := p.wait(t)
	events := parseObjects(t, out)
	r, err := enr.ParseText(events[0]["record"].(string))
	if code != cli.ExitOK || err != nil || events[0]["event"] != "listening" {
		t.Fatalf("exit code %d, %v, %v", code, err, events[0])
	}
	if ip, _ := r.IP4(); ip.String() != "192.0.2.1" {
		t.Errorf("record names %s", ip)
	}
}
