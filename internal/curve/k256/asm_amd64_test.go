//go:build !purego

package k256

import (
	"testing"

	"github.com/fastdisc/discv5/internal/cryptotest"
)

// TestNotAccelerated: processors without MULX, ADCX and ADOX compute the same with the Go
// functions.
func TestNotAccelerated(t *testing.T) {
	if !accelerated {
		t.Skip("probed for MULX, ADCX and ADOX: there are none, so all tests use the Go functions")
	}
	defer func() { accelerated = true }()
	accelerated = false
	numbers(func(x, y [4]uint64) { checkField(t, x, y) })
	var r jacobian
	r.mult(&scalar{5}, &generator)
	if got, want := toPlain(&r, &feOne).String(), plainG().mul(toBig(scalar{5})).String(); got != want {
		t.Errorf("5·G = %v, want %v", got, want)
	}
}

func TestEntry(t *testing.T) {
	table := &base().secret[7]
	for i := range uint64(secretSize) {
		var a, b affine
		entry(&a, table, i)
		entryGeneric(&b, table, i)
		if a != table[i] || b != table[i] {
			t.Errorf("entry %d: %x, generic %x, want %x", i, a, b, table[i])
		}
	}
}

// TestPlainByGODEBUG: an operator can disable the assembly at program start.
func TestPlainByGODEBUG(t *testing.T) {
	if !cryptotest.UnderGODEBUG(t, "cpu.adx=off", "cpu.bmi2=off", "cpu.adx=off,cpu.aes=off,cpu.pclmulqdq=off") {
		return
	}
	if accelerated {
		t.Error("the assembly is still on")
	}
	t.Run("inverses", TestPublishedInverses)
	t.Run("splits", TestPublishedSplits)
	t.Run("points", TestPointTwice)
}
