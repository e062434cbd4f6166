package stage

import "testing"

// Allocs is testing.AllocsPerRun, which counts what the whole process allocates: the
// least of some measurements, for segments that earlier tests have closed retire in
// the background. What f itself allocates is in each.
func Allocs(runs int, f func()) float64 {
	least := testing.AllocsPerRun(runs, f)
	for range 9 {
		if least == 0 {
			break
		}
		least = min(least, testing.AllocsPerRun(runs, f))
	}
	return least
}
