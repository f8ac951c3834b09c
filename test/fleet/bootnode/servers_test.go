package bootnode

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/test/fleet/internal/natstest"
)

// program is the path of the bootnode.
var program string

func TestMain(m *testing.M) { natstest.Main(m, "bootnode", &program) }

// bucket opens or creates a bucket with limits of the test's own.
func bucket(t testing.TB, js jetstream.JetStream, cfg jetstream.KeyValueConfig) (kv jetstream.KeyValue) {
	t.Helper()
	cfg.History = 1
	proctest.Eventually(t, "bucket "+cfg.Bucket, func() (ok bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var err error
		if kv, err = js.KeyValue(ctx, cfg.Bucket); err != nil {
			kv, err = js.CreateKeyValue(ctx, cfg)
		}
		return err == nil
	})
	return kv
}

// put writes a value.
func put(t testing.TB, kv jetstream.KeyValue, key string, value any) {
	t.Helper()
	b, ok := value.([]byte)
	if !ok {
		var err error
		if b, err = json.Marshal(value); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := kv.Put(ctx, key, b); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}
