package session

import (
	"errors"
	"testing"
)

// TestAgreeFindsChallenge: Agree finds the challenge that a handshake answers among several, and
// fails if the handshake answers another one.
func TestAgreeFindsChallenge(t *testing.T) {
	a, b := newNode(t, 1), newNode(t, 2)
	const count = 4
	challenges := make([]Challenge, count)
	for i := range challenges {
		challenges[i] = *newChallenge(b.random, 0)
	}
	for i := range challenges {
		packet := a.answer(t, &challenges[i], b, a.record.Bytes()).encode(t, a.random, "hello", b.id())
		p := b.decode(t, packet)
		agreed, err := b.Agree(challenges, p, nil)
		if err != nil || agreed.Challenge != &challenges[i] || string(agreed.Plaintext) != "hello" {
			t.Fatalf("challenge %d: %v, challenge %p, message %q", i, err, agreed.Challenge, agreed.Plaintext)
		}
		accepted, err := b.Finish(&agreed, p)
		if err != nil || !accepted.Record.Equal(a.record.View()) {
			t.Fatalf("challenge %d: Finish: %v", i, err)
		}
		others := append(append([]Challenge{}, challenges[:i]...), challenges[i+1:]...)
		for _, list := range [][]Challenge{others, others[:1], nil} {
			if got, err := b.Agree(list, b.decode(t, packet), nil); !errors.Is(err, ErrMessage) || got.Keys != nil {
				t.Errorf("challenge %d is not among %d, and Agree says %v", i, len(list), err)
			}
		}
	}
}
