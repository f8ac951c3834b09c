package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// version is the version of all values that this program writes.
const version = 1

// Errors of values that somebody else has written.
var (
	errSize      = errors.New("too large")
	errMalformed = errors.New("malformed")
	errVersion   = errors.New("of a newer version")
)

// decode decodes a JSON value of at most max bytes. A newer program may add fields: extra reports
// that it did, and they are ignored. A value whose member "v" is above version is one that this
// program does not understand, and callers must leave it alone.
func decode(b []byte, max int, into any) (extra bool, err error) {
	if len(b) > max {
		return false, fmt.Errorf("%w: %d bytes, at most %d", errSize, len(b), max)
	}
	strict := json.NewDecoder(bytes.NewReader(b))
	strict.DisallowUnknownFields()
	if strict.Decode(into) == nil && !strict.More() {
		if head := versioned(into); head == version {
			return false, nil
		}
	}
	var head struct {
		V int64 `json:"v"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return false, fmt.Errorf("%w: %w", errMalformed, err)
	}
	switch {
	case head.V > version:
		return false, fmt.Errorf("%w: %d", errVersion, head.V)
	case head.V < 1:
		return false, fmt.Errorf("%w: no version", errMalformed)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return false, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return true, nil
}

// versioned returns the version of a decoded value.
func versioned(v any) int64 {
	if v, ok := v.(interface{ version() int64 }); ok {
		return v.version()
	}
	return 0
}

// encode encodes a value. All values of this package can be encoded.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("fleet: encode: " + err.Error())
	}
	return b
}

// names of members, identities and networks are parts of keys.
const maxName = 64

// ValidName reports whether s may name a member, an identity or a network: 1 to 64 letters, digits,
// "-" and "_".
func ValidName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for _, c := range []byte(s) {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
