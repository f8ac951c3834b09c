package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCgroupLimit(t *testing.T) {
	for _, tt := range []struct {
		name   string
		groups string
		files  map[string]string
		want   int64
		from   string
	}{
		{"none", "0::/\n", nil, 0, ""},
		{"version 2", "0::/system.slice/bootnode.service\n", map[string]string{"system.slice/bootnode.service/memory.max": "67108864\n"}, 64 << 20, "system.slice/bootnode.service/memory.max"},
		{"version 2 unlimited", "0::/a\n", map[string]string{"a/memory.max": "max\n"}, 0, ""},
		{"group above", "0::/a/b/c\n", map[string]string{"a/memory.max": "1000000", "a/b/memory.max": "max", "a/b/c/memory.max": "2000000"}, 1000000, "a/memory.max"},
		{"own namespace", "0::/\n", map[string]string{"memory.max": "3000000"}, 3000000, "memory.max"},
		{"mounted as the root", "0::/docker/0123\n", map[string]string{"memory.max": "3000000"}, 3000000, "memory.max"},
		{"version 1", "4:cpu,memory:/a\n1:name=systemd:/\n0::/\n", map[string]string{"memory/a/memory.limit_in_bytes": "5000000", "memory/memory.limit_in_bytes": "9223372036854771712"}, 5000000, "memory/a/memory.limit_in_bytes"},
		{"version 1 unlimited", "4:memory:/\n", map[string]string{"memory/memory.limit_in_bytes": "9223372036854771712"}, 0, ""},
		{"both, hybrid", "4:memory:/a\n0::/b\n", map[string]string{"memory/a/memory.limit_in_bytes": "5000000", "unified/b/memory.max": "4000000"}, 4000000, "unified/b/memory.max"},
		{"other controllers", "4:memoryx:/a\n", map[string]string{"memory/a/memory.limit_in_bytes": "5"}, 0, ""},
		{"nonsense", "x\n:::\n0::/../../etc\n", map[string]string{"memory.max": "many"}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			limit, from := cgroupLimit(root, tt.groups)
			want := tt.from
			if want != "" {
				want = filepath.Join(root, want)
			}
			if limit != tt.want || from != want {
				t.Errorf("%d from %s, want %d from %s", limit, from, tt.want, want)
			}
		})
	}
}
