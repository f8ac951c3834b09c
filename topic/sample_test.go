package topic

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// Every ad is returned equally often, whatever the order of admission.
func TestSampleIsUniform(t *testing.T) {
	r := mustRegistrar(t, Config{})
	const members = 40
	for i := range members {
		force(r, 0, request(Of("x"), signed(t, i, 1, "8.8.8.8")))
		force(r, 0, request(Of("y"), signed(t, i, 1, "8.8.8.8")))
	}
	own := signed(t, 7, 1).ID()
	q := &Query{Topic: Of("x"), ID: own, Source: netip.MustParseAddr("9.9.9.9")}
	rnd := mustRandom(t, 5)
	seen := map[enr.ID]int{}
	const rounds = 8000
	dst := make([]Ad, 0, MaxSample)
	for range rounds {
		ads := r.Sample(0, q, rnd, 0, dst)
		if len(ads) != DefaultReturn {
			t.Fatalf("%d ads", len(ads))
		}
		once := map[enr.ID]bool{}
		for i := range ads {
			if ads[i].Topic != q.Topic || once[ads[i].ID] {
				t.Fatal("another topic's ad, or the same twice")
			}
			once[ads[i].ID] = true
			seen[ads[i].ID]++
		}
	}
	if seen[own] != 0 || len(seen) != members-1 {
		t.Fatalf("%d advertisers seen, the one that asks %d times", len(seen), seen[own])
	}
	mean := float64(rounds*DefaultReturn) / (members - 1)
	for id, n := range seen {
		if math.Abs(float64(n)-mean) > 6*math.Sqrt(mean) {
			t.Errorf("%v was returned %d times, the mean is %.0f", id, n, mean)
		}
	}
}

// SampleRecords returns the records of the ads that Sample returns with the same random numbers.
func TestSampleRecords(t *testing.T) {
	r := mustRegistrar(t, Config{})
	const members = 100 // numbers above 64 share bits of the filter
	for i := range members {
		force(r, 0, request(Of("x"), signed(t, i, 1, "8.8.8.8")))
	}
	q := &Query{Topic: Of("x"), ID: signed(t, 7, 1).ID(), Source: netip.MustParseAddr("9.9.9.9")}
	one, other := mustRandom(t, 3), mustRandom(t, 3)
	var dst [MaxSample][]byte
	var buf [MaxSample * enr.MaxSize]byte
	for most := range MaxSample + 2 {
		for range 50 {
			ads := r.Sample(0, q, one, most, nil)
			records := r.SampleRecords(0, q, other, most, dst[:0], buf[:])
			if len(records) != len(ads) {
				t.Fatalf("most %d: %d records, %d ads", most, len(records), len(ads))
			}
			once := map[string]bool{}
			for i, b := range records {
				if !bytes.Equal(b, ads[i].Record()) || once[string(b)] {
					t.Fatalf("most %d: record %d is another one, or comes twice", most, i)
				}
				once[string(b)] = true
			}
		}
	}
	few := r.SampleRecords(0, q, one, 0, nil, nil)
	if len(few) != DefaultReturn || &few[0][0] == &few[1][0] {
		t.Errorf("%d records without memory for them", len(few))
	}
	if s := r.Stats(); s.Queries != 2*50*(MaxSample+2)+1 {
		t.Errorf("%d queries counted", s.Queries)
	}
}

func TestSampleBounds(t *testing.T) {
	r := mustRegistrar(t, Config{})
	for i := range 20 {
		force(r, 0, request(Of("x"), signed(t, i, 1, "8.8.8.8")))
	}
	q := &Query{Topic: Of("x"), Source: netip.MustParseAddr("9.9.9.9")}
	for _, tt := range []struct{ most, want int }{
		{-1, DefaultReturn}, {0, DefaultReturn}, {1, 1}, {16, 16}, {17, MaxSample}, {math.MaxInt, MaxSample},
	} {
		if got := len(r.Sample(0, q, mustRandom(t, 1), tt.most, nil)); got != tt.want {
			t.Errorf("most %d: %d ads, want %d", tt.most, got, tt.want)
		}
	}
	if got := len(r.Sample(0, &Query{Topic: Of("y"), Source: q.Source}, mustRandom(t, 1), 10, nil)); got != 0 {
		t.Errorf("%d ads of a topic that has none", got)
	}
	if got := len(r.Sample(DefaultLifetime, q, mustRandom(t, 1), 10, nil)); got != 0 {
		t.Errorf("%d ads at the end of their lives", got)
	}
	if s := r.Stats(); s.Ads != 0 || s.Expired != 20 {
		t.Errorf("%d ads, %d expired", s.Ads, s.Expired)
	}
}

// An ad goes only where its addresses may be named.
func TestSampleRelays(t *testing.T) {
	r := mustRegistrar(t, Config{})
	for i, addrs := range [][]string{
		{"8.8.8.8"}, {"10.0.0.1"}, {"127.0.0.1"}, {"2a00::1"}, {"fd00::1"}, {"60.1.1.1", "2a00::2"}, {"10.0.0.2", "2a00::3"},
		{"8.8.4.4"}, {"::1"}, {"10.0.0.3"},
	} {
		force(r, 0, request(Of("x"), signed(t, i, 1, addrs...)))
		checkCache(t, &r.cache)
	}
	for _, tt := range []struct {
		from string
		want int
	}{
		{"9.9.9.9", 4}, {"2a00::9", 4}, {"10.0.0.9", 8}, {"::ffff:10.0.0.9", 8}, {"fd00::9", 8}, {"127.0.0.1", 10}, {"::1", 10}, {"192.0.2.1", 0},
	} {
		q := &Query{Topic: Of("x"), Source: netip.MustParseAddr(tt.from)}
		if got := len(r.Sample(0, q, mustRandom(t, 1), MaxSample, nil)); got != tt.want {
			t.Errorf("from %s: %d ads, want %d", tt.from, got, tt.want)
		}
	}
}

// A newer record of an ad replaces the older one, and the ad lives no longer.
func TestKnownAdTakesNewerRecord(t *testing.T) {
	topic := Of("x")
	old, fresh := signed(t, 1, 5, "9.1.2.3"), signed(t, 1, 6, "60.4.5.6")
	r := mustRegistrar(t, Config{})
	if v := r.Register(0, request(topic, old)); v.Result != Admitted || v.Wait != DefaultLifetime {
		t.Fatalf("%v, %v", v.Result, v.Wait)
	}
	held := func() []byte {
		ads := r.Ads(0, topic, 10, nil)
		if len(ads) != 1 {
			t.Fatalf("%d ads", len(ads))
		}
		return ads[0].Record()
	}
	for _, tt := range []struct {
		name   string
		record *enr.Record
		want   *enr.Record
	}{
		{"newer", fresh, fresh},
		{"older", old, fresh},
		{"same sequence number", signed(t, 1, 6, "9.1.2.3"), fresh},
		{"of another class", signed(t, 1, 7, "10.1.1.1"), fresh},
	} {
		v := r.Register(5*time.Minute, request(topic, tt.record))
		if v.Result != Known || v.Wait != 10*time.Minute || len(v.Ticket) > 0 {
			t.Errorf("%s: %v, wait %v", tt.name, v.Result, v.Wait)
		}
		if !bytes.Equal(held(), tt.want.Bytes()) {
			t.Errorf("%s: the cache has another record", tt.name)
		}
	}
	// The address that was proven at admission is the one that counts, to the end.
	if m := r.cache.tree.score(keyOf(netip.MustParseAddr("9.1.2.3"))); m.points != levels4 {
		t.Errorf("the first address scores %d", m.points)
	}
	r.Expire(DefaultLifetime)
	checkCache(t, &r.cache)
}

type failing struct{ after int }

func (f *failing) Read(b []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return len(b), nil
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		ok   bool
	}{
		{"defaults", Config{}, true},
		{"capacity 1", Config{Capacity: 1}, true},
		{"most", Config{Capacity: MaxCapacity, Lifetime: MaxLifetime, Window: MaxWindow}, true},
		{"capacity -1", Config{Capacity: -1}, false},
		{"capacity too large", Config{Capacity: MaxCapacity + 1}, false},
		{"lifetime too short", Config{Lifetime: time.Millisecond}, false},
		{"lifetime too long", Config{Lifetime: MaxLifetime + 1}, false},
		{"window negative", Config{Window: -1}, false},
		{"window too long", Config{Window: MaxWindow + 1}, false},
		{"scale negative", Config{WaitScale: -1}, false},
		{"scale not a number", Config{WaitScale: math.NaN()}, false},
		{"scale infinite", Config{WaitScale: math.Inf(1)}, false},
		{"exponent too large", Config{Exponent: 1e6}, false},
		{"safety over 1", Config{Safety: 2}, false},
		{"slack over the lifetime", Config{Slack: time.Hour}, false},
		{"no slack", Config{Slack: -1}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Random = seeded(1)
			_, err := NewRegistrar(tt.cfg)
			if tt.ok && err != nil || !tt.ok && !errors.Is(err, ErrConfig) {
				t.Error(err)
			}
		})
	}
	if _, err := NewRegistrar(Config{}); !errors.Is(err, ErrConfig) {
		t.Errorf("without randomness: %v", err)
	}
	for after := range 2 {
		if _, err := NewRegistrar(Config{Random: &failing{after}}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("source that fails after %d reads: %v", after, err)
		}
	}
	// Later on the old key stays in use.
	r := mustRegistrar(t, Config{Random: &failing{2}})
	crowd(t, r, 100)
	r.Expire(2 * keyLife)
	if s := r.Stats(); s.KeyFailures != 1 {
		t.Errorf("%d failures", s.KeyFailures)
	}
	crowdAt(t, r, 2*keyLife, 100)
	if v := r.Register(2*keyLife, request(Of("x"), signed(t, 1, 1, "9.1.2.3"))); len(v.Ticket) != TicketSize {
		t.Error("no ticket")
	}
}

func TestTopics(t *testing.T) {
	r := mustRegistrar(t, Config{})
	for topic := range 5 {
		for i := range topic + 1 {
			force(r, 0, request(Topic{byte(topic)}, signed(t, i, 1, "8.8.8.8")))
		}
	}
	list := r.Topics(0, 3)
	if len(list) != 3 || list[0] != (TopicCount{Topic{4}, 5}) || list[2] != (TopicCount{Topic{2}, 3}) {
		t.Errorf("%v", list)
	}
	if list := r.Topics(DefaultLifetime, 3); len(list) != 0 {
		t.Errorf("%d topics at the end", len(list))
	}
}

// No ad outlives its time, and the callback gets each once.
func TestExpired(t *testing.T) {
	gone := map[enr.ID]int{}
	r := mustRegistrar(t, Config{Expired: func(topic Topic, id enr.ID) {
		if topic == Of("x") {
			gone[id]++
		}
	}})
	for i := range 5 {
		force(r, time.Duration(i)*time.Minute, request(Of("x"), signed(t, i, 1, "8.8.8.8")))
	}
	at, ok := r.Next()
	if !ok || at != DefaultLifetime {
		t.Fatal(at, ok)
	}
	r.Expire(at + 90*time.Second)
	if s := r.Stats(); s.Ads != 3 || len(gone) != 2 {
		t.Errorf("%d ads, %d gone", s.Ads, len(gone))
	}
	r.Expire(time.Hour)
	if _, ok := r.Next(); ok || len(gone) != 5 {
		t.Errorf("%d gone", len(gone))
	}
}
