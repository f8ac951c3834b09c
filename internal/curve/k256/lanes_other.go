//go:build !amd64 || purego

package k256

import "github.com/fastdisc/discv5/internal/curve/batch"

const hasLanes = false

// The functions below are never called, because take returns nil.

func decompressLanes([]batch.Decompression) {}

func verifyLanes([]batch.Verification) {}

func agreeLanes(*scalar, []batch.Agreement) {}
