package fleet

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// compare warns of a bucket that somebody has made with other settings than this program gives it,
// once for each set of differences. It is used all the same.
func (c *Conn) compare(ctx context.Context, kv jetstream.KeyValue, b Bucket) {
	info := streamInfo(ctx, kv)
	if info == nil {
		return // the call that uses the bucket says why
	}
	text := strings.Join(b.differences(info), ", ")
	c.mu.Lock()
	defer c.mu.Unlock()
	if text == c.other[b.Name] {
		return
	}
	if c.other == nil {
		c.other = make(map[string]string)
	}
	c.other[b.Name] = text
	if text != "" {
		c.log.Warn("a bucket of the fleet has other settings than this program gives it", "bucket", b.Name, "settings", text)
	}
}

// streamInfo returns the description of the stream of a bucket, or nil.
func streamInfo(ctx context.Context, kv jetstream.KeyValue) *jetstream.StreamInfo {
	status, err := kv.Status(ctx)
	if err != nil {
		return nil
	}
	if s, ok := status.(*jetstream.KeyValueBucketStatus); ok {
		return s.StreamInfo()
	}
	return nil
}

// differences returns the settings of a stream that differ from those of b: those that lose entries
// or refuse them, or cost more space.
func (b Bucket) differences(info *jetstream.StreamInfo) (list []string) {
	cfg := info.Config
	differ := func(name string, has, want any) {
		if has != want {
			list = append(list, fmt.Sprintf("%s %v instead of %v", name, has, want))
		}
	}
	replicas := 1
	if info.Cluster != nil && info.Cluster.Name != "" {
		replicas = cmp.Or(b.Replicas, defaultReplicas)
	}
	differ("replicas", max(cfg.Replicas, 1), max(replicas, cfg.Replicas))
	differ("storage", cfg.Storage, jetstream.FileStorage)
	differ("TTL", lifetime(cfg.MaxAge), lifetime(b.TTL))
	differ("history", cfg.MaxMsgsPerSubject, int64(1))
	differ("discard", cfg.Discard, jetstream.DiscardNew)
	if cfg.MaxBytes > 0 && cfg.MaxBytes < b.MaxBytes {
		differ("bytes", cfg.MaxBytes, b.MaxBytes)
	}
	if cfg.MaxMsgSize > 0 && cfg.MaxMsgSize < b.MaxValue {
		differ("bytes of a value", cfg.MaxMsgSize, b.MaxValue)
	}
	return list
}

// lifetime returns a time to live for people.
func lifetime(d time.Duration) string {
	if d <= 0 {
		return "without end"
	}
	return d.String()
}
