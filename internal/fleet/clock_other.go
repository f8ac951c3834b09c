//go:build !linux

package fleet

import "time"

func now() time.Duration { return fallbackNow() }
