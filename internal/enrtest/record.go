// Package enrtest has records for tests.
package enrtest

import (
	"crypto/rand"
	"testing"

	"github.com/fastdisc/discv5/enr"
)

// Record returns a record of a new node with the entries that change sets.
func Record(t testing.TB, change func(*enr.Builder)) *enr.Record {
	t.Helper()
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := enr.NewBuilder()
	change(b)
	r, err := b.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
