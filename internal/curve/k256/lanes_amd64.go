//go:build !purego

package k256

import "golang.org/x/sys/cpu"

// hasLanes reports whether the processor has the instructions of lanes_amd64.s, AVX-512 F and
// IFMA. It is set when the program starts.
var hasLanes = cpu.X86.HasAVX512F && cpu.X86.HasAVX512IFMA

// lanesMul sets z to x·y.
//
//go:noescape
func lanesMul(z, x, y *laneElements)

// lanesSqr squares x n times, n >= 1, and sets z to the result.
//
//go:noescape
func lanesSqr(z, x *laneElements, n int)

// lanesDouble sets r to 2^n·r, n >= 1.
//
//go:noescape
func lanesDouble(r *laneJacobian, t *laneScratch, n int)

// lanesAdd sets r to r + q, and h to the H of chord. z is that of r, or a replacement for it. In
// lanes in which r is q, -q or the point at infinity, it sets the z of r to 0.
//
//go:noescape
func lanesAdd(r *laneJacobian, q *laneAffine, z, h *laneElements, t *laneScratch)

// lanesPick sets each lane of q to the multiple of digit 2w - 31, where w has 5 bits. x and y hold
// the coordinates of the odd multiples from 1 to 31, which are below 2p. It reads all of both.
//
//go:noescape
func lanesPick(q *laneAffine, x, y *[secretSize]laneElements, w *[lanes]uint64)
