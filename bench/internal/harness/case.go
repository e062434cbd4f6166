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

// The units. Of the first less is better, of the others more.
const (
	Nanoseconds Unit = "ns"
	Millions    Unit = "M/s"
	Gigabytes   Unit = "GB/s"
)

func (u Unit) lessIsBetter() bool { return u == Nanoseconds }

// Case is one row of the table.
type Case struct {
	Name    string // such as "queue/spsc/64B"
	Unit    Unit
	Impls   []Impl // the first is Shoal's
	Targets []Target
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
	if u.lessIsBetter() {
		return ratio <= t.Ratio
	}
	return ratio >= t.Ratio
}

// Sample is what a program prints: one figure in the unit of the case, and where
// single operations were timed, percentiles of their times in nanoseconds.
type Sample struct {
	Value  float64 `json:"value"`
	P50    float64 `json:"p50,omitempty"`
	P99    float64 `json:"p99,omitempty"`
	P999   float64 `json:"p999,omitempty"`
	Allocs float64 `json:"allocs,omitempty"` // per operation
}

// MissingError says what an implementation needs and how to get it.
type MissingError struct{ What, Install string }

func (e *MissingError) Error() string { return fmt.Sprintf("%s is missing: %s", e.What, e.Install) }

// Result is what an implementation did in all repetitions.
type Result struct {
	Case    string
	Impl    string
	Unit    Unit
	Samples []Sample
	Err     error
}

// Median returns the sample whose value is the median, the zero Sample if there is none.
func (r *Result) Median() Sample {
	if len(r.Samples) == 0 {
		return Sample{}
	}
	s := slices.SortedFunc(slices.Values(r.Samples), func(a, b Sample) int { return cmp.Compare(a.Value, b.Value) })
	return s[len(s)/2]
}

// Range returns the smallest and the largest value.
func (r *Result) Range() (low, high float64) {
	if len(r.Samples) == 0 {
		return 0, 0
	}
	low, high = r.Samples[0].Value, r.Samples[0].Value
	for _, s := range r.Samples {
		low, high = min(low, s.Value), max(high, s.Value)
	}
	return low, high
}
