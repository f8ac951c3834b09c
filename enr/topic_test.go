package enr

import (
	"errors"
	"testing"
)

func TestTopicVersion(t *testing.T) {
	key := testKey(t, 1)
	list := []byte{0xc1, 0x01}
	for _, tt := range []struct {
		name      string
		ng, old   []byte // RLP, nil for no entry
		version   uint64
		ok        bool
		supported bool
	}{
		{"none", nil, nil, 0, false, false},
		{"ng", []byte{1}, nil, 1, true, true},
		{"topic-discovery", nil, []byte{1}, 1, true, true},
		{"both", []byte{1}, []byte{1}, 1, true, true},
		{"version 0", []byte{0x80}, nil, 0, true, false},
		{"version 2", []byte{2}, nil, 2, true, false},
		{"version 2, and 1 under the old key", []byte{2}, []byte{1}, 2, true, true},
		{"old version 2", nil, []byte{2}, 2, true, false},
		{"version 2^64-1", []byte{0x88, 255, 255, 255, 255, 255, 255, 255, 255}, nil, 1<<64 - 1, true, false},
		{"too large", []byte{0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0}, nil, 0, false, false},
		{"leading zero", []byte{0x82, 0, 1}, nil, 0, false, false},
		{"byte zero", []byte{0}, nil, 0, false, false},
		{"list", list, nil, 0, false, false},
		{"text", []byte{0x83, 'y', 'e', 's'}, nil, 0x796573, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBuilder()
			if tt.ng != nil {
				b.Set("ng", tt.ng)
			}
			if tt.old != nil {
				b.Set("topic-discovery", tt.old)
			}
			r, err := b.Sign(key)
			if err != nil {
				t.Fatal(err)
			}
			version, ok := r.TopicVersion()
			if version != tt.version || ok != tt.ok || r.SupportsTopics() != tt.supported {
				t.Errorf("version %d %v, supported %v", version, ok, r.SupportsTopics())
			}
			if tt.ng != nil && !tt.ok && !errors.Is(r.Check("ng"), ErrValueInteger) {
				t.Errorf("Check: %v", r.Check("ng"))
			}
		})
	}
	r, err := NewBuilder().SetTopicVersion(TopicVersion).Sign(key)
	if err != nil || !r.SupportsTopics() {
		t.Error(err)
	}
	if n := testing.AllocsPerRun(100, func() { r.SupportsTopics() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
