package chaos

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
)

// A process that may open next to no files, and connections of HTTP that use up what there is: UDP
// and the database continue, and HTTP comes back when connections end.
func TestNoDescriptors(t *testing.T) {
	heavy(t)
	bans := filepath.Join(t.TempDir(), "bans")
	if err := os.WriteFile(bans, []byte("203.0.113.0/24\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := newMesh(t, ipv4, 3, launch{script: `ulimit -n 32 && exec "$@"`, args: []string{"--ban-file", bans}}, nil)
	before := m.boot.metrics(t)
	open := func() int { return descriptors(t, m.boot) }
	cpu, start, lines := m.boot.cpu(t), time.Now(), m.boot.Log.Lines()

	var conns []net.Conn
	drop := func() {
		for _, c := range conns {
			c.Close()
		}
	}
	defer drop()
	for range 48 {
		c, err := m.boot.h.dial(webAddr) // the kernel takes it, whether the process can or not
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	eventually(t, "no descriptor left", func() bool { return open() >= 32 })
	m.boot.Signal(t, syscall.SIGHUP) // settings cannot be reloaded, and stay
	late := m.host(t, ipv4.addr(50)...).node(t, nil, m.boot.record)
	a := m.load(4, 100*time.Millisecond).run(t, 4*time.Second)
	a.check(t, 1)
	late.answers(t, discv5.ContactOf(m.boot.record), "answer to a new node")
	used, took := m.boot.cpu(t)-cpu, time.Since(start)
	if used > took/2 {
		t.Errorf("%v of processor time in %v", used, took)
	}
	drop()
	m.nodes = append(m.nodes, late)
	back := m.works(t)
	m.boot.healthy(t)
	after := m.boot.metrics(t)
	saves := after[`discv5_saves_total{result="ok"}`] - before[`discv5_saves_total{result="ok"}`]
	if saves == 0 || after[`discv5_saves_total{result="failed"}`] > 0 {
		t.Errorf("%v saves, %v failed", saves, after[`discv5_saves_total{result="failed"}`])
	}
	if said := m.boot.Log.Lines() - lines; said > 6 {
		t.Errorf("%d lines of the log", said)
	}
	if after[`discv5_reloads_total{result="failed"}`] != 1 || after["discv5_banned_entries"] != 1 || m.boot.Log.Lines("too many open files") != 1 {
		t.Errorf("%v reloads failed, %v bans, %d lines about files", after[`discv5_reloads_total{result="failed"}`], after["discv5_banned_entries"],
			m.boot.Log.Lines("too many open files"))
	}
	result(t, "all of 32 descriptors in use: %v; %v saves; %.0f %% of a processor; HTTP and tables back %s after", a, saves,
		100*used.Seconds()/took.Seconds(), seconds(back))
}

// descriptors counts the open files of a process.
func descriptors(t *testing.T, b *bootnode) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// smallDisk has the bootnode see a file system of 512 KiB at its data directory, and start from
// what is in $SEED.
const smallDisk = `mount --make-rprivate / && mount -t tmpfs -o size=512k,mode=700 none "$DIR" && if [ -d "$DIR.seed" ]; then cp "$DIR.seed"/* "$DIR"/; fi && ` +
	`if [ -f "$DIR.full" ]; then dd if=/dev/zero of="$DIR"/filler bs=4096 2>/dev/null; fi; exec "$@"`

// canMount says why smallDisk is not possible here, or nothing.
func canMount(t *testing.T, h *host) {
	t.Helper()
	if out, err := h.space.Run("unshare", "-m", "sh", "-c", "mount --make-rprivate / && mount -t tmpfs none "+t.TempDir()); err != nil {
		t.Skipf("probed for a small file system in a namespace: %v %s", err, out)
	}
}

// inside is where the process has a file.
func (b *bootnode) inside(path string) string {
	return filepath.Join("/proc", strconv.Itoa(b.Cmd.Process.Pid), "root", path)
}

// fill writes until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); err != nil {
			return
		}
	}
}

// The disk is full while the network grows: the node continues, reports it now and then, loses
// none of its data, and saves when there is room again. It also starts on a full disk with what
// it had.
func TestFullDisk(t *testing.T) {
	heavy(t)
	dir := t.TempDir()
	f := newFabric(t)
	canMount(t, f.host(t))
	m := &mesh{fabric: f, boot: f.host(t, ipv4.addr(1)...).bootnode(t, launch{dir: dir, script: smallDisk, flags: syscall.CLONE_NEWNS})}
	grow := func(n int) {
		for range n {
			m.nodes = append(m.nodes, f.host(t, ipv4.addr(len(m.nodes)+2)...).node(t, nil, m.boot.record))
		}
		m.whole(t)
	}
	grow(3)
	saved := func(what string) float64 { return m.boot.metric(t, fmt.Sprintf("discv5_saves_total{result=%q}", what)) }
	good := saved("ok")
	eventually(t, "save of the first nodes", func() bool { return saved("ok") > good+2 })

	filler := m.boot.inside(filepath.Join(dir, "filler"))
	fill(t, filler)
	full := time.Now()
	grow(12)
	eventually(t, "saves that fail", func() bool { return saved("failed") > 5 })
	a := m.load(2, 200*time.Millisecond).run(t, 3*time.Second)
	a.check(t, 1)
	m.boot.healthy(t)
	said := m.boot.Log.Lines("cannot save nodes", "no space left on device")
	if most := 3 + int(time.Since(full)/(10*time.Second)); said < 1 || said > most {
		t.Errorf("%d lines about the disk, want 1 to %d", said, most)
	}

	// Killed with a full disk, it starts on a full disk with what it had: the first three nodes at
	// least.
	seed := copyOf(t, m.boot.inside(dir), dir+".seed")
	m.boot.kill(t)
	if err := os.WriteFile(dir+".full", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := m.boot.h.try(t, launch{dir: dir, script: smallDisk, flags: syscall.CLONE_NEWNS})
	if err != nil {
		t.Fatalf("start on a full disk: %v (%v)", err, seed)
	}
	if again.record.ID() != m.boot.record.ID() || again.record.Seq() < m.boot.record.Seq() {
		t.Errorf("record %d of %s after the start, had %d of %s", again.record.Seq(), again.record.ID().Short(), m.boot.record.Seq(), m.boot.record.ID().Short())
	}
	m.boot = again
	if known := again.Log.Lines("msg=contacts", "known=0"); known > 0 {
		t.Error("it has started without the nodes that it knew")
	}
	m.whole(t)
	filler = again.inside(filepath.Join(dir, "filler"))
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	good = saved("ok")
	wait := eventually(t, "a save after there is room", func() bool { return saved("ok") > good })
	m.works(t)
	result(t, "%v; %d lines about it; killed and started on the full disk with the same key and record %d; saved %s after there was room", a, said,
		m.boot.record.Seq(), seconds(wait))
}

// copyOf copies the files of a directory but the filler, and lists them.
func copyOf(t *testing.T, from, to string) (list []string) {
	t.Helper()
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range files {
		if e.Name() == "filler" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %d", e.Name(), len(b)))
	}
	return list
}
