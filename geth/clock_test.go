package geth_test

import (
	"time"

	"github.com/ethereum/go-ethereum/common/mclock"
)

// fixedClock is a clock that the adapter cannot follow.
type fixedClock struct{}

func (fixedClock) Now() mclock.AbsTime                          { return 0 }
func (fixedClock) Sleep(time.Duration)                          {}
func (fixedClock) NewTimer(time.Duration) mclock.ChanTimer      { return nil }
func (fixedClock) After(time.Duration) <-chan mclock.AbsTime    { return nil }
func (fixedClock) AfterFunc(time.Duration, func()) mclock.Timer { return nil }
