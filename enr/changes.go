package enr

import (
	"bytes"
	"iter"
)

// Changes reports whether the record that Sign would return differs from r: in a pair, or by a
// sequence number other than r's and the next one. It does not sign. If an earlier call failed, it
// returns true, so that Sign can report the error.
func (b *Builder) Changes(r *Record) bool {
	if b.err != nil || b.seq != r.Seq() && b.seq != r.Seq()+1 {
		return true
	}
	next, stop := iter.Pull2(r.Pairs())
	defer stop()
	theirs := func() (key, value []byte, ok bool) { // the next pair that Sign does not set
		for ok = true; ok; {
			if key, value, ok = next(); ok && !setBySign(string(key)) {
				return key, value, true
			}
		}
		return nil, nil, false
	}
	for _, p := range b.pairs {
		if setBySign(p.key) {
			continue
		}
		key, value, ok := theirs()
		if !ok || p.key != string(key) || !bytes.Equal(p.value, value) {
			return true
		}
	}
	_, _, more := theirs()
	return more
}

// setBySign reports whether Sign sets a key, whatever the builder holds.
func setBySign(key string) bool { return key == "id" || key == "secp256k1" }
