// Package harness runs cases: the same work done by several implementations, one
// after the other and over again, so that only figures of one run are compared.
package harness

import (
	"cmp"
	"fmt"
	"slices"
)

// Unit is what a figure counts.
type Unit string

// The units.
const (
	Nanoseconds Unit = "ns"
	Millions    Unit = "M/s"
	Gigabytes   Unit = "GB/s"
	Percent     Unit = "%"
	Count       Unit = ""
	Mebibytes   Unit = "MiB"
)

// MoreIsBetter says which way a figure, and a ratio of two, is good.
func (u Unit) MoreIsBetter() bool { return u == Millions || u == Gigabytes || u == Percent }

// Case is one row of the table.
type Case struct {
	Name    string // such as "queue/spsc/64B"
	Unit    Unit
	Impls   []Impl // the first is Shoal's
	Targets []Target
	Bounds  []Bound
	Plot    Plot
	// Alone says that one processor does the whole work, so that the distance of
	// the processors from each other does not matter.
	Alone bool
}

// Impl is one implementation of a case.
type Impl struct {
	Name string
	// Command returns the program that measures once and prints a Sample as JSON.
	// A *MissingError says that it cannot be had here.
	Command func(*Tools) ([]string, error)
}

// Target is a bound on the ratio of Shoal's median to a rival's.
type Target struct {
	Rival string
	Ratio float64
}

// Met reports whether the ratio is on the right side of the target.
func (t Target) Met(u Unit, ratio float64) bool {
	if u.MoreIsBetter() {
		return ratio >= t.Ratio
	}
	return ratio <= t.Ratio
}

// Bound is a target for a figure of Shoal's itself. It is the worst of all
// repetitions that must be within it.
type Bound struct {
	Of    string // Value, P99, or the name of a figure in Sample.More
	Unit  Unit
	Limit float64 // at most, or at least if more is better
}

// The figures that are named for every sample.
const (
	Value = "worst"
	P99   = "p99"
)

// Plot places a case in a picture. The zero Plot is in none.
type Plot struct {
	Picture string  `json:"picture,omitempty"`
	X       float64 `json:"x,omitempty"`
}

// Sample is what a program prints: one figure in the unit of the case, and where
// single operations were timed, percentiles of their times in nanoseconds.
type Sample struct {
	Value  float64            `json:"value"`
	P50    float64            `json:"p50,omitempty"`
	P99    float64            `json:"p99,omitempty"`
	P999   float64            `json:"p999,omitempty"`
	Allocs *float64           `json:"allocs,omitempty"` // per operation; nil if not counted
	More   map[string]float64 `json:"more,omitempty"`
}

// figure returns the one that is named.
func (s Sample) figure(name string) (float64, bool) {
	switch name {
	case Value:
		return s.Value, true
	case P99:
		return s.P99, s.P99 > 0
	}
	v, ok := s.More[name]
	return v, ok
}

// MissingError says what an implementation needs and how to get it.
type MissingError struct{ What, Install string }

func (e *MissingError) Error() string { return fmt.Sprintf("%s is missing: %s", e.What, e.Install) }

// Result is what an implementation did in all repetitions.
type Result struct {
	Impl    string
	Samples []Sample
	Err     error
	// Distance of the processors; empty if it does not matter.
	Distance Distance
}

// Median returns the sample whose value is the median, the zero Sample if there is none.
func (r *Result) Median() Sample {
	if len(r.Samples) == 0 {
		return Sample{}
	}
	s := slices.SortedFunc(slices.Values(r.Samples), func(a, b Sample) int { return cmp.Compare(a.Value, b.Value) })
	return s[len(s)/2]
}

// figures returns a figure of all samples that have it, in order.
func (r *Result) figures(name string) []float64 {
	var all []float64
	for _, s := range r.Samples {
		if v, ok := s.figure(name); ok {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return all
}

// values returns the values of all samples in order.
func (r *Result) values() []float64 {
	var all []float64
	for _, s := range r.Samples {
		all = append(all, s.Value)
	}
	slices.Sort(all)
	return all
}
