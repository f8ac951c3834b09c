package manypeers

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/frames"
)

// Traffic describes the requests of the peers to one server, and the answers.
type Traffic struct {
	Size    int   // of a request
	Answers []int // sizes of the datagrams that answer a request
	Records int   // node records in them

	// next makes the next request of a peer: servers refuse those that they have seen.
	next func(peer int) []byte
}

// Handshakes makes a session of each peer with the server at the end of the link, with up to window
// handshakes under way. It waits until the server answers with the given number of records, or for
// a while; Traffic has the number.
func (k *Link) Handshakes(peers []Peer, record string, window, records int) (map[Workload]Traffic, error) {
	h, err := newHandshaker(k, peers, record)
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	defer h.conn.Close()
	if err := h.makeSessions(window); err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	all := make(map[Workload]Traffic)
	for _, w := range Workloads() {
		t := Traffic{next: func(i int) []byte { return h.request(w, i) }}
		t.Size = len(t.next(0))
		for end := time.Now().Add(fill); ; time.Sleep(fill / 20) {
			if t.Answers, t.Records, err = h.ask(w); err != nil {
				return nil, err
			}
			if w != FindNode || t.Records >= records || time.Now().After(end) {
				break
			}
		}
		all[w] = t
	}
	return all, nil
}

// fill is how long the nodes of a table may take to enter it.
const fill = 10 * time.Second

// Blank returns requests of the same size without content, for servers that do not look at them.
func (t Traffic) Blank() Traffic {
	blank := bytes.Repeat([]byte{0x5a}, t.Size)
	t.next = func(int) []byte { return blank }
	return t
}

// Load sends one kind of traffic to one server.
type Load struct {
	link    *Link
	peers   []Peer
	traffic Traffic
}

// Load prepares traffic from the given peers.
func (k *Link) Load(peers []Peer, t Traffic) (*Load, error) {
	if t.Size > slotSize-frames.HeaderSize || len(t.Answers) == 0 || t.next == nil {
		return nil, fmt.Errorf("requests of %d bytes with %d answers", t.Size, len(t.Answers))
	}
	return &Load{k, peers, t}, nil
}

// Frames of one measurement.
const (
	slotSize = 256
	slots    = 1 << 17
)

// magazine is the frames of one measurement. The kernel reads them where user space writes them.
type magazine struct {
	frames *ebpf.Map
	memory []byte
	next   counters
}

func newMagazine() (m *magazine, err error) {
	_ = rlimit.RemoveMemlock() // for Linux before 5.11
	m = new(magazine)
	m.frames, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: slotSize, MaxEntries: slots, Flags: unix.BPF_F_MMAPABLE})
	if err != nil {
		return nil, fmt.Errorf("map of frames: %w", err)
	}
	if m.memory, err = unix.Mmap(m.frames.FD(), 0, slots*slotSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		m.frames.Close()
		return nil, fmt.Errorf("map of frames: %w", err)
	}
	if m.next, err = newCounters(); err != nil {
		_ = unix.Munmap(m.memory)
		m.frames.Close()
		return nil, err
	}
	return m, nil
}

func (m *magazine) close() {
	_ = unix.Munmap(m.memory)
	m.frames.Close()
	m.next.close()
}

// load fills all slots, from the peers in turn.
func (m *magazine) load(l *Load) {
	for i := range slots {
		p := i % len(l.peers)
		copy(m.memory[i*slotSize:], frames.UDP4(l.link.mac, l.link.end.HardwareAddr, l.link.Addr, l.peers[p].addr, l.traffic.next(p)))
	}
	atomic.StoreUint64(m.next.at(0), 0)
}

// Plan is how a Load is measured.
type Plan struct {
	// For is the longest time. A measurement also ends when all prepared requests are sent: some
	// 130,000. The first eighth of them is not counted.
	For    time.Duration
	Window int // requests under way
	Burst  int // at most Window
	PID    int // of the server; 0 if the kernel serves
}

const (
	stalled    = 100 * time.Millisecond // without an answer: what is under way is lost
	pause      = 10 * time.Microsecond
	settle     = 5 * time.Millisecond // for the last answers
	liveFrames = 2                    // BPF_F_TEST_XDP_LIVE_FRAMES
)

// Measure sends for a while, and returns the cost of the exchanges.
func (l *Load) Measure(p Plan) (s results.ManySample, err error) {
	p.Burst = min(p.Burst, p.Window)
	back, err := newCounters()
	if err != nil {
		return s, err
	}
	defer back.close()
	low, high := slices.Min(l.traffic.Answers), slices.Max(l.traffic.Answers)
	*back.at(countLow), *back.at(countHigh), *back.at(countSwitch) = uint64(8+low), uint64(8+high), 1
	m := l.link.lab.magazine
	m.load(l)
	size := frames.HeaderSize + l.traffic.Size
	send, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "send", Type: ebpf.XDP, License: "GPL", Instructions: frames.Next(m.frames, m.next.m, size, false)})
	if err != nil {
		return s, fmt.Errorf("program that sends: %w", err)
	}
	defer send.Close()
	err = l.link.lab.client.Do(func() (err error) {
		stop, err := l.attach(back, send)
		if err != nil {
			return err
		}
		defer stop()
		kernel, err := kernelThreads()
		if err != nil {
			return err
		}
		r := &run{load: l, plan: p, send: send, first: bytes.Clone(m.memory[:size]), answered: back.at(countFull), kernel: kernel}
		if _, err := r.measure(slots/8, p.For/2); err != nil {
			return err
		}
		s, err = r.measure(slots-p.Burst, p.For)
		return err
	})
	if err == nil && s.Exchanges == 0 {
		err = fmt.Errorf("%w: none of %d to %d bytes to %d requests, %d of other sizes", ErrAnswer, low, high, s.Sent, atomic.LoadUint64(back.at(countOther)))
	}
	return s, err
}

// attach attaches the program that counts, and the sending one so that the kernel keeps it.
func (l *Load) attach(back counters, send *ebpf.Program) (stop func(), err error) {
	spec := &ebpf.ProgramSpec{Name: "count", Type: ebpf.SchedCLS, License: "GPL", Instructions: countProgram(back, port, l.link.returns)}
	if l.link.returns {
		spec.Type = ebpf.XDP
	}
	count, err := ebpf.NewProgram(spec)
	if err != nil {
		return nil, fmt.Errorf("program that counts: %w", err)
	}
	defer count.Close()
	var counting link.Link
	if l.link.returns {
		counting, err = attachXDP(l.link.end.Name, count)
	} else {
		counting, err = link.AttachTCX(link.TCXOptions{Interface: l.link.end.Index, Program: count, Attach: ebpf.AttachTCXIngress})
	}
	if err != nil {
		return nil, fmt.Errorf("attach the program that counts: %w", err)
	}
	kept, err := attachXDP(parking, send)
	if err != nil {
		return nil, errors.Join(err, counting.Close())
	}
	return func() { kept.Close(); counting.Close() }, nil
}

// run is one measurement. It stays on the thread of the generator.
type run struct {
	load     *Load
	plan     Plan
	send     *ebpf.Program
	first    []byte // frame
	answered *uint64
	kernel   []int // threads

	sent, lost uint64
	inside     time.Duration // in BPF_PROG_RUN
}

// exchanges is how many requests were answered.
func (r *run) exchanges() uint64 {
	return atomic.LoadUint64(r.answered) / uint64(len(r.load.traffic.Answers))
}

// measure sends until all requests up to the given one are sent, or for at most d.
func (r *run) measure(last int, d time.Duration) (s results.ManySample, err error) {
	context := struct{ data, end, meta, in, queue, out uint32 }{end: uint32(len(r.first)), in: uint32(r.load.link.end.Index)}
	options := &ebpf.RunOptions{
		Data: r.first, Context: &context, Repeat: uint32(r.plan.Burst), Flags: liveFrames, BatchSize: uint32(min(fastpath.DefaultBatch, r.plan.Burst)),
	}
	server, err := processTime(r.plan.PID)
	if err != nil {
		return s, err
	}
	began, kernel, inside, sent, answered := time.Now(), threadTimes(r.kernel), r.inside, r.sent, r.exchanges()
	seen, since := answered, began
	for r.sent <= uint64(last) && time.Since(began) < d {
		got := r.exchanges()
		if got != seen {
			seen, since = got, time.Now()
		}
		if int64(r.sent-r.lost-got)+int64(r.plan.Burst) > int64(r.plan.Window) {
			if time.Since(since) > stalled {
				r.lost, since = r.sent-got, time.Now()
			}
			time.Sleep(pause)
			continue
		}
		before := threadTime()
		if _, err := r.send.Run(options); err != nil {
			return s, fmt.Errorf("send: %w", err)
		}
		r.inside += threadTime() - before
		r.sent += uint64(r.plan.Burst)
	}
	time.Sleep(settle)
	end, err := processTime(r.plan.PID)
	if err != nil {
		return s, err
	}
	runtime.KeepAlive(options)
	return results.ManySample{
		Exchanges: int(r.exchanges() - answered), Sent: int(r.sent - sent), Elapsed: time.Since(began),
		Server: end - server, Receive: r.inside - inside, Kernel: threadTimes(r.kernel) - kernel,
	}, nil
}

func threadTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}
