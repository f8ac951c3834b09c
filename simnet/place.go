package simnet

import (
	"math"
	"math/rand/v2"
	"time"
)

// Place is a point on the globe, as a vector of length 1. The zero Place stands for one that the
// network chooses.
type Place struct{ x, y, z float64 }

// At returns the place with the given latitude and longitude in degrees.
func At(latitude, longitude float64) Place {
	lat, lon := latitude*math.Pi/180, longitude*math.Pi/180
	return Place{math.Cos(lat) * math.Cos(lon), math.Cos(lat) * math.Sin(lon), math.Sin(lat)}
}

// Distance returns the length of the way between two places along the surface, in kilometers.
func Distance(a, b Place) float64 {
	const radius = 6371
	dot := a.x*b.x + a.y*b.y + a.z*b.z
	return radius * math.Acos(max(-1, min(1, dot)))
}

// World is the delay between two places: 2 ms at each end, and cables that make detours of a half,
// in which light covers 200 km in a millisecond. The farthest places are 154 ms from each other,
// one way.
func World(from, to Place) time.Duration {
	const perKilometer = 1.5 * float64(time.Millisecond) / 200
	return 4*time.Millisecond + time.Duration(Distance(from, to)*perKilometer)
}

// Always returns a delay that is the same between all places.
func Always(d time.Duration) func(from, to Place) time.Duration {
	return func(Place, Place) time.Duration { return d }
}

// regions are where nodes are placed that are given no place: where machines stand, with shares in
// hundredths.
var regions = [...]struct {
	share      int
	lat, lon   float64
	latr, lonr float64 // scattered so far around
}{
	{25, 40, -80, 6, 8},  // North America, east
	{10, 38, -120, 6, 4}, // North America, west
	{30, 50, 8, 6, 10},   // Europe, west
	{8, 58, 25, 5, 10},   // Europe, north and east
	{9, 34, 128, 5, 10},  // East Asia
	{8, 4, 104, 5, 6},    // Southeast Asia
	{4, -23, -47, 4, 4},  // South America
	{3, -34, 150, 3, 3},  // Australia
	{3, 19, 76, 6, 4},    // India
}

// somewhere chooses a place.
func somewhere(r *rand.Rand) Place {
	at := r.IntN(100)
	for _, c := range regions {
		if at -= c.share; at < 0 {
			return At(c.lat+c.latr*(2*r.Float64()-1), c.lon+c.lonr*(2*r.Float64()-1))
		}
	}
	return At(180*r.Float64()-90, 360*r.Float64()-180)
}
