package limits

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// FuzzParseRules: parsed rules survive being written and parsed once more, and errors name an
// existing line.
func FuzzParseRules(f *testing.F) {
	for _, s := range []string{"", "192.0.2.0/24 1h # x", "2001:db8::1\r\n" + id1 + " 30d", "::ffff:1.2.3.4/100 1ns", "a\nb", "1.2.3.4 1d 1d", "\x00\xff", "::1%1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rules, err := ParseRules(bytes.NewReader(text))
		lines := bytes.Count(text, []byte("\n")) + 1
		if err != nil {
			var e *RuleError
			if !errors.As(err, &e) || e.Line < 1 || e.Line > lines {
				t.Fatalf("error %v in a text of %d lines", err, lines)
			}
			return
		}
		var again bytes.Buffer
		for _, r := range rules {
			if !r.Target.Valid() || r.For < 0 || r.Line < 1 || r.Line > lines {
				t.Fatalf("rule %+v", r)
			}
			if r.For > 0 {
				fmt.Fprintf(&again, "%s %s\n", r.Target, r.For)
			} else {
				fmt.Fprintln(&again, r.Target)
			}
		}
		second, err := ParseRules(&again)
		if err != nil || len(second) != len(rules) {
			t.Fatalf("read again: %v", err)
		}
		for i := range rules {
			if second[i].Target != rules[i].Target || second[i].For != rules[i].For {
				t.Fatalf("rule %+v read again as %+v", rules[i], second[i])
			}
		}
		if err := NewAccess(0).Update(0, Ban, nil, rules[:min(len(rules), 1000)]); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzCheck reads operations of 19 bytes: action, duration, prefix length, address. Checks at both
// ends of each range, and next to them, agree with the reference implementation.
func FuzzCheck(f *testing.F) {
	op := func(what, until, length byte, addr string) []byte {
		a := ip(addr).As16()
		return append([]byte{what, until, length}, a[:]...)
	}
	f.Add(op(0, 9, 24, "::ffff:203.0.113.0"))
	f.Add(bytes.Join([][]byte{op(0, 9, 32, "2001:db8::"), op(1, 3, 48, "2001:db8:1::"), op(2, 0, 0, "::")}, nil))
	f.Add(bytes.Join([][]byte{op(0, 9, 0, "::"), op(0, 9, 128, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), op(3, 0, 0, "::")}, nil))
	f.Add(bytes.Join([][]byte{op(0, 5, 32, "::ffff:255.255.255.255"), op(0, 7, 31, "::ffff:255.255.255.254"), op(1, 2, 1, "::ffff:128.0.0.0")}, nil))
	f.Fuzz(func(t *testing.T, ops []byte) {
		a, list := NewAccess(0), []slow(nil)
		probes := []netip.Addr{{}, ip("::"), ip("0.0.0.0"), ip("255.255.255.255")}
		for ; len(ops) >= 19 && len(list) < 40; ops = ops[19:] {
			addr := netip.AddrFrom16([16]byte(ops[3:19])).Unmap()
			tg := PrefixTarget(netip.PrefixFrom(addr, int(ops[2])%(addr.BitLen()+1)))
			until := 1 + time.Duration(ops[1]%16)
			var err error
			switch action := Action(ops[0] % 4); action {
			case Ban, Permit:
				err = a.edit(nil, []item{{tg, action, until}})
				list = put(list, slow{tg, action, until})
			case within: // a growing netrestrict
				list = put(list, slow{tg, within, Forever})
				var ranges []netip.Prefix
				for _, e := range list {
					if e.action == within {
						ranges = append(ranges, e.target.prefix)
					}
				}
				err = a.Restrict(ranges)
			default:
				a.Remove(Ban, tg)
				list = take(list, tg, Ban)
			}
			if err != nil {
				t.Fatal(err)
			}
			r, _ := ruleOf(item{target: tg})
			first, last := r.start.Addr(), r.start.Last(int(r.length)).Addr()
			probes = append(probes, addr, first, first.Prev(), last, last.Next())
		}
		for now := time.Duration(0); now <= 16; now += 4 {
			for _, p := range probes {
				if !p.IsValid() {
					p = netip.IPv6Unspecified()
				}
				if got, want := a.Check(now, p), slowCheck(list, now, p); got != want {
					t.Fatalf("%s at %d: %s, reference %s; %v", p, now, got, want, list)
				}
			}
		}
	})
}
