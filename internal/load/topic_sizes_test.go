package load

import (
	"testing"

	"github.com/fastdisc/discv5"
)

// Queries can be sealed before a run, and their answers told by their sizes.
func TestQueriesAhead(t *testing.T) {
	t.Parallel()
	_, to := registrar(t, discv5.TopicConfig{WaitScale: 1e-9})
	g := generate(t, Config{Target: to, Mix: Mix{RegTopic: 1, TopicQuery: 1}, Identities: 20, Topics: 1, Sockets: 1, Timeout: enough})
	prepare(t, g)
	r := load(t, g, Plan{Mix: Only(RegTopic), For: patience, Requests: 20})
	if r.Topics.Admitted != 20 {
		t.Fatalf("%+v", r.Topics)
	}
	var sizes []int
	r = load(t, g, Plan{Mix: Only(TopicQuery), For: patience, Requests: 1, OnDatagram: func(n int) { sizes = append(sizes, n) }})
	if r.Topics.Ads != 10 {
		t.Fatalf("%+v", r.Topics)
	}
	r = load(t, g, Plan{Mix: Only(TopicQuery), For: patience, Ahead: 100, Sizes: sizes, Window: 10})
	if r.Total.Answered != 100 || r.Events.Bad() != 0 {
		t.Errorf("%d of 100 were answered; answers of %d bytes; %+v", r.Total.Answered, sizes, r.Events)
	}
}
