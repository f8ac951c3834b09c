package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// defaultReplicas is how many servers keep each bucket and stream: with three, any one may fail.
const defaultReplicas = 3

// notClustered is the code of the error of a server without a cluster that is asked for replicas.
const notClustered jetstream.ErrorCode = 10074

// Bucket describes a key-value bucket for KeyValue.
type Bucket struct {
	Name     string        // letters, digits, "-" and "_"
	MaxBytes int64         // of the whole bucket, on each server
	MaxValue int32         // bytes of a value
	TTL      time.Duration // after which an entry that nobody writes goes; 0: never
	Replicas int           // 0: three in a cluster, one without
}

// KeyValue opens a bucket, and creates it if there is none. An existing bucket keeps its own
// limits: another version of the program may have made it. A bucket that is full refuses writes.
func (c *Conn) KeyValue(ctx context.Context, b Bucket) (jetstream.KeyValue, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	ctx, cancel := creating(ctx)
	defer cancel()
	kv, err := c.js.KeyValue(ctx, b.Name)
	if err == nil {
		c.compare(ctx, kv, b)
	}
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return kv, c.opened("bucket", b.Name, err)
	}
	cfg := jetstream.KeyValueConfig{
		Bucket: b.Name, MaxBytes: b.MaxBytes, MaxValueSize: b.MaxValue, TTL: b.TTL, History: 1, Storage: jetstream.FileStorage,
	}
	err = replicate(b.Replicas, func(replicas int) error {
		cfg.Replicas = replicas
		kv, err = c.js.CreateKeyValue(ctx, cfg)
		return err
	})
	if errors.Is(err, jetstream.ErrBucketExists) { // another member was faster, with other limits
		kv, err = c.js.KeyValue(ctx, b.Name)
	}
	return kv, c.opened("bucket", b.Name, err)
}

// Stream opens a stream, and creates it if there is none. An existing stream keeps its own
// configuration. If cfg.Replicas is 0, three servers of a cluster keep it.
func (c *Conn) Stream(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	ctx, cancel := creating(ctx)
	defer cancel()
	stream, err := c.js.Stream(ctx, cfg.Name)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return stream, c.opened("stream", cfg.Name, err)
	}
	err = replicate(cfg.Replicas, func(replicas int) error {
		cfg.Replicas = replicas
		stream, err = c.js.CreateStream(ctx, cfg)
		return err
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		stream, err = c.js.Stream(ctx, cfg.Name)
	}
	return stream, c.opened("stream", cfg.Name, err)
}

// replicate calls create with the number of replicas, and with 1 if the server has no cluster. It
// does not settle for fewer in a cluster that lacks servers for the moment: a bucket keeps the
// number that it was created with.
func replicate(replicas int, create func(int) error) error {
	if replicas > 0 {
		return create(replicas)
	}
	err := create(defaultReplicas)
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == notClustered {
		err = create(1)
	}
	return err
}

func (c *Conn) opened(what, name string, err error) error {
	if err != nil {
		return fmt.Errorf("open %s %s: %w", what, name, c.explain(err))
	}
	return nil
}
