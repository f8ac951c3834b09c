package interop

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
)

// TestRust exchanges messages with the crate discv5.
func TestRust(t *testing.T) { foreign(t, rust) }

// TestTypeScript exchanges messages with @chainsafe/discv5.
func TestTypeScript(t *testing.T) { foreign(t, typeScript) }

func foreign(t *testing.T, impl *implementation) {
	impl.require(t)
	for _, family := range []struct {
		name string
		ip   netip.Addr
	}{{"IPv4", loopback4}, {"IPv6", loopback6}} {
		t.Run(family.name, func(t *testing.T) {
			requireAddr(t, family.ip)
			t.Run("OwnStarts", func(t *testing.T) { ownStarts(t, impl, family.ip) })
			t.Run("TheyStart", func(t *testing.T) { theyStart(t, impl, family.ip) })
			t.Run("OwnRestart", func(t *testing.T) { ownRestart(t, impl, family.ip) })
			t.Run("TheirRestart", func(t *testing.T) { theirRestart(t, impl, family.ip) })
			t.Run("OwnUpdate", func(t *testing.T) { ownUpdate(t, impl, family.ip) })
			t.Run("TheirUpdate", func(t *testing.T) { theirUpdate(t, impl, family.ip) })
			t.Run("ManyRecords", func(t *testing.T) { manyRecords(t, impl, family.ip) })
		})
	}
}

// asker is a node that sends requests when told to, ours or theirs.
type asker interface {
	ping(to *enr.Record) (seq uint64, endpoint netip.AddrPort, err error)
	findNode(to *enr.Record, distances ...uint) ([]*enr.Record, error)
	talk(to *enr.Record, protocol string, payload []byte) ([]byte, error)
	lookup(target enr.ID) ([]*enr.Record, error)
}

// exchange is a node that sends requests, from the given address, to another node that knows a
// third one.
type exchange struct {
	from  asker
	addr  netip.AddrPort
	to    *enr.Record
	third *enr.Record // nil: do not expect any
}

// requests are all kinds of requests.
var requests = []struct {
	name string
	do   func(exchange) error
}{
	{"Ping", exchange.ping},
	{"FindOwnRecord", exchange.findOwnRecord},
	{"FindNodes", exchange.findNodes},
	{"Talk", exchange.talk},
}

// all makes all requests, starting with number first.
func (x exchange) all(first int) error {
	for i := range requests {
		r := requests[(first+i)%len(requests)]
		if err := r.do(x); err != nil {
			return fmt.Errorf("%s as request %d: %w", r.name, i+1, err)
		}
	}
	return nil
}

func (x exchange) ping() error {
	seq, end, err := x.from.ping(x.to)
	if err != nil {
		return err
	}
	if end != x.addr {
		return fmt.Errorf("PONG names endpoint %v, the PING came from %v", end, x.addr)
	}
	if seq != x.to.Seq() {
		return fmt.Errorf("PONG has record seq %d, want %d", seq, x.to.Seq())
	}
	return nil
}

func (x exchange) findOwnRecord() error {
	got, err := x.from.findNode(x.to, 0)
	if err != nil {
		return err
	}
	if len(got) != 1 || got[0].String() != x.to.String() {
		return fmt.Errorf("FINDNODE [0] brought %v, want %v", got, x.to)
	}
	return nil
}

// findNodes requests a distance that can hold no node, and the distance of the third node, alone
// and among others.
func (x exchange) findNodes() error {
	got, err := x.from.findNode(x.to, 1)
	if err != nil {
		return fmt.Errorf("FINDNODE [1]: %w", err)
	}
	if len(got) != 0 {
		return fmt.Errorf("FINDNODE [1] brought %v, want nothing", got)
	}
	if x.third == nil {
		return nil
	}
	d := uint(enr.LogDistance(x.to.ID(), x.third.ID()))
	for _, distances := range [][]uint{{d}, {2, d, 1}} {
		got, err := x.from.findNode(x.to, distances...)
		if err != nil {
			return fmt.Errorf("FINDNODE %v: %w", distances, err)
		}
		if !holds(got, x.third) {
			return fmt.Errorf("FINDNODE %v brought %v, without %v", distances, got, x.third)
		}
	}
	return nil
}

func (x exchange) talk() error {
	long := make([]byte, codec.MaxTalkRequest-len(echoProtocol))
	rand.Read(long)
	for _, tt := range []struct {
		protocol      string
		payload, want []byte
	}{
		{echoProtocol, []byte("hello"), []byte("hello")},
		{echoProtocol, nil, nil},
		{echoProtocol, long, long},
		{"interop-unknown", []byte("hello"), nil},
	} {
		got, err := x.from.talk(x.to, tt.protocol, tt.payload)
		if err != nil {
			return fmt.Errorf("TALKREQ of %d bytes, protocol %q: %w", len(tt.payload), tt.protocol, err)
		}
		if !bytes.Equal(got, tt.want) {
			return fmt.Errorf("TALKREQ of %d bytes, protocol %q, was answered with %d bytes, want %d",
				len(tt.payload), tt.protocol, len(got), len(tt.want))
		}
	}
	return nil
}

// holds reports whether list has exactly this record.
func holds(list []*enr.Record, r *enr.Record) bool {
	for _, l := range list {
		if l.String() == r.String() {
			return true
		}
	}
	return false
}

func (o *own) asks(d *driver, r, third *enr.Record) exchange {
	return exchange{from: o, addr: o.Addrs()[0], to: r, third: third}
}

func (d *driver) asks(o *own, third *enr.Record) exchange {
	return exchange{from: d, addr: d.addr, to: o.LocalRecord(), third: third}
}

// checkHandshake makes the first request of an exchange and checks which side was challenged.
func checkHandshake(o *own, weStart bool, request func() error) error {
	before := o.Stats().Counters
	if err := request(); err != nil {
		return fmt.Errorf("first request: %w", err)
	}
	var sent, received uint64
	// An answer may be there before it is counted.
	for end := time.Now().Add(contactTimeout); sent+received == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		after := o.Stats().Counters
		sent = after[engine.WhoareyouSent] - before[engine.WhoareyouSent]
		received = after[engine.WhoareyouReceived] - before[engine.WhoareyouReceived]
	}
	// On a slow machine a lookup may begin meanwhile, so other nodes may challenge ours.
	if weStart && (sent != 0 || received == 0) || !weStart && (sent != 1 || received != 0) {
		return fmt.Errorf("%d WHOAREYOU sent and %d received; our node starts: %v", sent, received, weStart)
	}
	return nil
}

// ownStarts: each kind of request is once the first message of our node, with the handshake, and
// once a later one.
func ownStarts(t *testing.T, impl *implementation, ip netip.Addr) {
	third := startOwn(t, ip).LocalRecord()
	d := startDriver(t, impl, ip)
	if err := d.add(third); err != nil {
		t.Fatal(err)
	}
	r := d.record(t)
	for i, first := range requests {
		t.Run(first.name, func(t *testing.T) {
			err := patiently(t, func() error {
				o := startOwn(t, ip)
				if err := checkHandshake(o, true, func() error { return first.do(o.asks(d, r, third)) }); err != nil {
					return err
				}
				if err := o.asks(d, r, third).all(i); err != nil {
					return fmt.Errorf("own node asks: %w", err)
				}
				if err := d.asks(o, nil).all(i); err != nil {
					return fmt.Errorf("they ask over the same session: %w", err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// theyStart swaps the roles of ownStarts. Each of our nodes has a further node of its own, which
// cannot tell it of nodes of before.
func theyStart(t *testing.T, impl *implementation, ip netip.Addr) {
	d := startDriver(t, impl, ip)
	r := d.record(t)
	for i, first := range requests {
		t.Run(first.name, func(t *testing.T) {
			err := patiently(t, func() error {
				third := startOwn(t, ip).LocalRecord()
				o := startOwn(t, ip, third)
				eventually(t, contactTimeout, 20*time.Millisecond, "further node live in our table", func() (bool, string) {
					s := o.Stats()
					challenged := s.Counters[engine.WhoareyouReceived]
					return s.Live == 1 && challenged > 0, fmt.Sprintf("%d live nodes, %d challenges", s.Live, challenged)
				})
				if err := checkHandshake(o, false, func() error { return first.do(d.asks(o, third)) }); err != nil {
					return err
				}
				if err := d.asks(o, third).all(i); err != nil {
					return fmt.Errorf("they ask: %w", err)
				}
				if err := o.asks(d, r, nil).all(i); err != nil {
					return fmt.Errorf("own node asks over the same session: %w", err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// restartRounds lets each side speak first after a restart.
const restartRounds = 2

// bothAsk exchanges all requests in both directions. We begin if weStart is set. before is what our
// node had counted when one of the sides lost its sessions.
//
// One handshake, with one challenge, makes the session. There are more if both sides ask for a
// handshake at the same time, or if our node sends a request on its own meanwhile, such as that of
// a lookup:
//
//   - The foreign implementations drop the first session as soon as a message of the other one
//     arrives, and with it the answer that is on its way.
//   - The crate drops a session, and fails all requests in it with InvalidRemotePacket, when a
//     message arrives that our node had sealed with the lost keys.
//   - If a node has no session, a packet that is not a request may receive the challenge too. The
//     challenge of the following request is then the same, and is not answered.
//
// The test retries such rounds, and no others, once. By then the nodes have a session.
func bothAsk(t *testing.T, o *own, d *driver, r *enr.Record, weStart bool, before engine.Counters) error {
	t.Helper()
	err := exchangeAll(o, d, r, weStart)
	if err == nil {
		return nil
	}
	o.settle(t) // the challenge of a message may follow the error that it caused
	if n := challenges(o.Stats().Counters) - challenges(before); n < 2 {
		return err
	}
	t.Logf("several handshakes were under way; once more after: %v", err)
	return exchangeAll(o, d, r, weStart)
}

// challenges counts the WHOAREYOU packets of both directions.
func challenges(c engine.Counters) uint64 {
	return c[engine.WhoareyouSent] + c[engine.WhoareyouRepeated] + c[engine.WhoareyouReceived]
}

func exchangeAll(o *own, d *driver, r *enr.Record, weStart bool) error {
	for range 2 {
		var err error
		if weStart {
			err = o.asks(d, r, nil).all(0)
		} else {
			err = d.asks(o, nil).all(0)
		}
		if err != nil {
			return fmt.Errorf("own node asks = %v: %w", weStart, err)
		}
		weStart = !weStart
	}
	return nil
}

// meets lets two nodes exchange all requests for the first time. We begin if weStart is set.
func meets(t *testing.T, o *own, d *driver, weStart bool) {
	t.Helper()
	r := d.record(t)
	err := patiently(t, func() error { return bothAsk(t, o, d, r, weStart, engine.Counters{}) })
	if err != nil {
		t.Fatal("first exchange:", err)
	}
}

// ownRestart: our node loses its sessions, they keep theirs.
func ownRestart(t *testing.T, impl *implementation, ip netip.Addr) {
	o, d := startOwn(t, ip), startDriver(t, impl, ip)
	r := d.record(t)
	meets(t, o, d, true)
	for i := range restartRounds {
		err := patiently(t, func() error {
			o.restart(t, nil)
			return bothAsk(t, o, d, r, i%2 == 0, engine.Counters{})
		})
		if err != nil {
			t.Fatalf("restart %d: %v", i+1, err)
		}
	}
}

// theirRestart: they lose their sessions, our node keeps its own.
func theirRestart(t *testing.T, impl *implementation, ip netip.Addr) {
	o, d := startOwn(t, ip), startDriver(t, impl, ip)
	r := d.record(t)
	meets(t, o, d, true)
	for i := range restartRounds {
		err := patiently(t, func() error {
			before := o.Stats().Counters
			d.restart(t)
			if now := d.record(t); now.String() != r.String() {
				t.Fatalf("restart %d: record\n%v, want\n%v", i+1, now, r)
			}
			return bothAsk(t, o, d, r, i%2 == 0, before)
		})
		if err != nil {
			t.Fatalf("restart %d: %v", i+1, err)
		}
	}
}

// updateField is the pair of a record that changes.
const updateField = "interop"

// ownUpdate: our record gets the next sequence number. They learn it from a PONG, can fetch the
// record, and have it in their table.
func ownUpdate(t *testing.T, impl *implementation, ip netip.Addr) {
	o, d := startOwn(t, ip), startDriver(t, impl, ip)
	meets(t, o, d, false)
	expectInTable(t, d, o)
	for i := range 2 {
		old := o.LocalRecord()
		next, err := old.Edit().SetString(updateField, fmt.Sprint(i)).Sign(o.cfg.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		if next.Seq() != old.Seq()+1 {
			t.Fatalf("seq %d after %d", next.Seq(), old.Seq())
		}
		// The record of a running node changes when its address does; other nodes see no
		// difference.
		o.restart(t, next)
		if err := patiently(t, d.asks(o, nil).ping); err != nil {
			t.Error("they see the number:", err)
		}
		if err := patiently(t, d.asks(o, nil).findOwnRecord); err != nil {
			t.Error("they fetch the record:", err)
		}
		expectInTable(t, d, o)
	}
}

// theirUpdate: their record gets the next sequence number during the session. We learn it once from
// a PONG and once from a PING, and fetch the record.
func theirUpdate(t *testing.T, impl *implementation, ip netip.Addr) {
	o, d := startOwn(t, ip), startDriver(t, impl, ip)
	meets(t, o, d, true)
	for i, speak := range []func(r *enr.Record) error{
		func(r *enr.Record) error { return o.asks(d, r, nil).ping() },
		func(*enr.Record) error { return d.asks(o, nil).ping() },
	} {
		old := d.record(t)
		next := d.update(t, updateField, fmt.Sprint(i))
		if next.Seq() != old.Seq()+1 {
			t.Fatalf("seq %d after %d", next.Seq(), old.Seq())
		}
		if err := patiently(t, func() error { return speak(next) }); err != nil {
			t.Error("PING after the update:", err)
		}
		retry := time.Now().Add(patientTimeout)
		eventually(t, contactTimeout, 50*time.Millisecond, "new record in our table", func() (bool, string) {
			n, ok := o.Known(next.ID())
			if time.Now().After(retry) { // our request for the record may have been lost
				retry = time.Now().Add(patientTimeout)
				_ = speak(next)
			}
			if !ok {
				return false, "not in the table"
			}
			return bytes.Equal(n.Record.Bytes(), next.Bytes()), fmt.Sprintf("seq %d in the table, want %d", n.Record.Seq(), next.Seq())
		})
		if err := patiently(t, o.asks(d, next, nil).findOwnRecord); err != nil {
			t.Error("we fetch the record:", err)
		}
	}
}

// expectInTable waits until a table has the current record of our node.
func expectInTable(t *testing.T, d *driver, o *own) {
	t.Helper()
	want, retry := o.LocalRecord(), time.Now().Add(patientTimeout)
	eventually(t, contactTimeout, 50*time.Millisecond, "our record in their table", func() (bool, string) {
		if time.Now().After(retry) { // their request for the record may have been lost
			retry = time.Now().Add(patientTimeout)
			_ = d.asks(o, nil).ping()
		}
		list, err := d.table()
		if err != nil {
			return false, err.Error()
		}
		seen := "not there"
		for _, r := range list {
			if r.ID() == want.ID() {
				seen = fmt.Sprintf("seq %d, want %d", r.Seq(), want.Seq())
			}
		}
		return holds(list, want), seen
	})
}

// manyRecords: the packets of an answer are assembled.
func manyRecords(t *testing.T, impl *implementation, ip netip.Addr) {
	d := startDriver(t, impl, ip)
	added := make(map[string]bool)
	for i := range 3 * bucketSize {
		key, err := enr.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		b := enr.NewBuilder().SetIP(ip).SetString(updateField, "some more bytes for a record of usual size")
		if port := uint16(20000 + i); ip.Is4() {
			b.SetUDP(port)
		} else {
			b.SetUDP6(port)
		}
		r, err := b.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		if d.add(r) == nil { // refused when the bucket is full
			added[r.String()] = true
		}
	}
	o := startOwn(t, ip)
	before := o.Stats().Counters[engine.InNodes]
	r := d.record(t)
	var got []*enr.Record
	err := patiently(t, func() (err error) {
		got, err = o.findNode(r, maxBucketDist, maxBucketDist-1, maxBucketDist-2)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range got {
		if !added[r.String()] {
			t.Errorf("got %v, which was not added", r)
		}
	}
	var packets uint64
	// An answer may be there before it is counted.
	for end := time.Now().Add(contactTimeout); packets < 2 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		packets = o.Stats().Counters[engine.InNodes] - before
	}
	// The crate counts the requesting node among the 16 before it leaves it out.
	if len(got) < bucketSize-1 || packets < 2 {
		t.Errorf("%d records in %d packets, want %d in several", len(got), packets, bucketSize)
	}
	t.Logf("%d records in %d packets", len(got), packets)
}
