package results

import (
	"errors"
	"testing"
)

func TestFacts(t *testing.T) {
	s := FactSources()[0]
	log := "    bench_test.go:100: 8192 sessions take 767 bytes each\n    bench_test.go:100: 100000 sessions take 1028 bytes each\n"
	list, err := s.Facts([]byte(log), "go test")
	if err != nil || len(list) != 2 || list[0] != (Fact{"session", 767, "go test"}) || list[1] != (Fact{"session and map", 1028, "go test"}) {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := s.Facts([]byte("ok"), ""); !errors.Is(err, ErrForm) {
		t.Errorf("without figures: %v", err)
	}
	if list, err := FactSources()[1].Facts([]byte("x.go:1: 1000000 datagrams, 999999 of them answered: 31 objects\n"), ""); err != nil || list[0].Value != 1e6 || list[1].Value != 31 {
		t.Errorf("%+v, %v", list, err)
	}
}
