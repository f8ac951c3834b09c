package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fastdisc/discv5/enr"
)

// TestReadRecords reads lists in the forms in which they are published. The program itself is never
// run: it would contact the public network.
func TestReadRecords(t *testing.T) {
	key, err := enr.GenerateKey(fixed{})
	if err != nil {
		t.Fatal(err)
	}
	record, err := enr.NewBuilder().SetUDP(9000).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	text := record.String()
	for name, test := range map[string]struct {
		list string
		want int
	}{
		"plain": {text + "\n" + text + "\n", 2},
		"YAML":  {"# comment\n- " + text + " # name\n- \"" + text + "\"\n", 2},
		"JSON":  {`["` + text + `","` + text + `"]`, 2},
		"none":  {"# nothing\n", -1},
		"bad":   {text + "\nenr:AAAA\n", -1},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "list")
			if err := os.WriteFile(file, []byte(test.list), 0o600); err != nil {
				t.Fatal(err)
			}
			records, err := readRecords(file)
			if (err != nil) != (test.want < 0) || test.want >= 0 && len(records) != test.want {
				t.Errorf("%d records, %v; want %d", len(records), err, test.want)
			}
		})
	}
}

// fixed is a source of bytes for a key.
type fixed struct{}

func (fixed) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 7
	}
	return len(b), nil
}
