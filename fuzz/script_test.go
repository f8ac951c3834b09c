package fuzz

// script reads choices off the input of a target. Behind its end it reads 0.
type script struct{ b []byte }

func (s *script) more() bool { return len(s.b) > 0 }

func (s *script) byte() byte {
	if len(s.b) == 0 {
		return 0
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c
}

// choose is a number below n, which is at most 256.
func (s *script) choose(n int) int { return int(s.byte()) % n }

// number is a number below n, which is at most 65536.
func (s *script) number(n int) int { return (int(s.byte())<<8 | int(s.byte())) % n }

// bytes are what follows: as many as the next byte says, times scale.
func (s *script) bytes(scale int) []byte {
	n := min(int(s.byte())*scale, len(s.b))
	out := append([]byte(nil), s.b[:n]...)
	s.b = s.b[n:]
	return out
}
