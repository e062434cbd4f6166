//go:build linux && !shmcheck

package soak

import (
	"errors"
	"strings"
	"testing"
)

// With shmcheck children die at their own steps, mostly before they find anything.

// mostRounds is how many rounds there are for a fault to be found.
const mostRounds = 60

// TestChildrenFind plants faults in the children that other children must find.
func TestChildrenFind(t *testing.T) {
	for fault, want := range map[string]string{
		faultMumbles: "through pipe",
		faultRepeats: "was run 2 times",
	} {
		t.Run(fault, func(t *testing.T) {
			var err error
			// Children may die before they find it, or choose nothing that shows it: with
			// the same seed they would choose so again.
			for i := uint64(0); i < mostRounds && err == nil; i++ {
				err = planted(t, fault, *seed+i)
			}
			if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, errWrong) {
				t.Errorf("a child says: %v", err)
			}
		})
	}
}
