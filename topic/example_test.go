package topic_test

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/topic"
)

// A registrar admits the first ad immediately. The second one, from the same address, waits.
func ExampleRegistrar() {
	r, err := topic.NewRegistrar(topic.Config{Random: rand.Reader})
	if err != nil {
		fmt.Println(err)
		return
	}
	source := netip.MustParseAddrPort("8.8.8.8:30303")
	for range 2 {
		key, _ := enr.GenerateKey(rand.Reader)
		record, _ := enr.NewBuilder().SetIP(source.Addr()).SetUDP(source.Port()).Sign(key)
		q := &topic.Request{Topic: topic.Of("my service"), ID: record.ID(), Source: source, Record: record}
		v := r.Register(time.Second, q)
		fmt.Println(v.Result, v.Wait, len(v.Ticket))
	}
	// Output:
	// admitted 15m0s 0
	// waiting 15m0s 49
}
