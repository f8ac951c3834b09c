package enr

import (
	"bytes"

	"github.com/fastdisc/discv5/internal/rlp"
)

// ParseView checks the structure of b, which must be exactly one record, and returns a view of it.
// It does not verify the signature and does not allocate. The view refers to b.
//
// The error is one of this package's reasons to reject a record.
func ParseView(b []byte) (View, error) {
	v, rest, err := SplitView(b)
	if err != nil {
		return View{}, err
	}
	if len(rest) != 0 {
		return View{}, ErrTrailing
	}
	return v, nil
}

// SplitView is ParseView for the first of several concatenated records, as in a NODES message
// (discv5-wire.md, NODES Response). rest is the remainder.
//
// A rejected record need not invalidate its neighbors: if only its content is wrong, rest is the
// remainder, and you may continue. If its end cannot be determined, rest is nil. A loop that runs
// while bytes remain therefore ends.
func SplitView(b []byte) (v View, rest []byte, err error) {
	record, rest, err := rlp.Value(b)
	if err != nil {
		return View{}, nil, structureError(err)
	}
	if len(record) > MaxSize {
		return View{}, rest, ErrTooLarge
	}
	v, err = parse(record)
	return v, rest, err
}

// parse parses b, exactly one RLP value of at most MaxSize bytes.
func parse(b []byte) (View, error) {
	p, _, err := rlp.List(b)
	if err != nil {
		return View{}, ErrNotList
	}
	v := View{bytes: b}

	sig, q, err := rlp.String(p)
	if err != nil {
		return View{}, elementError(p, err, ErrSignature)
	}
	v.content = uint16(len(b) - len(q))
	v.sigLen = uint16(len(sig))

	element, p, err := rlp.Value(q)
	if err != nil {
		return View{}, elementError(q, err, ErrSeq)
	}
	if v.seq, _, err = rlp.Uint64(element); err != nil {
		return View{}, ErrSeq
	}
	v.pairs = uint16(len(b) - len(p))

	var last []byte
	for first := true; len(p) > 0; first = false {
		var key, value []byte
		if key, q, err = rlp.String(p); err != nil {
			return View{}, elementError(p, err, ErrKey)
		}
		if !first {
			switch c := bytes.Compare(last, key); {
			case c == 0:
				return View{}, ErrDuplicateKey
			case c > 0:
				return View{}, ErrUnsorted
			}
		}
		last = key
		if len(q) == 0 {
			return View{}, ErrOddElements
		}
		if value, p, err = rlp.Value(q); err != nil {
			return View{}, structureError(err)
		}
		if err = checkNested(value); err != nil {
			return View{}, err
		}
		if err = v.note(key, value, len(b)-len(p)); err != nil {
			return View{}, err
		}
	}
	return v, v.checkScheme()
}

// note checks the value of a key that the identity scheme needs, and stores its offset for the
// accessors. It leaves out an optional entry that does not fit its key, so that it reads as absent
// and Check returns the reason. The value ends at offset end of the record. No value's content has
// offset 0, so 0 means absent.
func (v *View) note(key, value []byte, end int) error {
	switch string(key) {
	case "id":
		id, _, err := rlp.String(value)
		if err != nil {
			return ErrNoScheme
		}
		v.id, v.idLen = uint16(end-len(id)), uint16(len(id))
	case "secp256k1":
		// checkScheme decides whether the size is correct, because that depends on the identity
		// scheme.
		v.hasKey = true
		if s, _, err := rlp.String(value); err == nil && len(s) == 33 {
			v.key = uint16(end - len(s))
		}
	case "ip":
		if checkIP(value) == nil {
			v.ip = uint16(end - 4)
		}
	case "ip6":
		if checkIP6(value) == nil {
			v.ip6 = uint16(end - 16)
		}
	case "udp":
		v.udp, _ = port(value)
	case "udp6":
		v.udp6, _ = port(value)
	case "tcp":
		v.tcp, _ = port(value)
	case "tcp6":
		v.tcp6, _ = port(value)
	}
	return nil
}

// checkScheme checks the identity scheme's requirements on signature and public key.
func (v *View) checkScheme() error {
	switch {
	case v.id == 0:
		return ErrNoScheme
	case string(v.IdentityScheme()) != schemeV4:
		return nil // unknown rules; Verify returns an error
	case v.sigLen != SignatureSize:
		return ErrSignatureSize
	case !v.hasKey:
		return ErrNoPublicKey
	case v.key == 0:
		return ErrPublicKeySize
	}
	return nil
}

// checkNested checks that the values inside value are canonical, at any depth. Each level takes at
// least one byte of the record, so MaxSize bounds the recursion. value is not empty.
func checkNested(value []byte) error {
	if value[0] < 0xc0 {
		return nil // a string, checked when it was read
	}
	p, _, err := rlp.List(value)
	if err != nil {
		return structureError(err)
	}
	for len(p) > 0 {
		if value, p, err = rlp.Value(p); err != nil {
			return structureError(err)
		}
		if err = checkNested(value); err != nil {
			return err
		}
	}
	return nil
}

// structureError converts an error of package rlp.
func structureError(err error) error {
	if err == rlp.ErrNonCanonical {
		return ErrNonCanonical
	}
	return ErrTruncated
}

// elementError is structureError for an element at the start of p. It returns wrong for an element
// of the wrong kind and for a missing one.
func elementError(p []byte, err, wrong error) error {
	if len(p) == 0 || err == rlp.ErrNotString {
		return wrong
	}
	return structureError(err)
}
