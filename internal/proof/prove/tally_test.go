package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/internal/proof"
)

func TestTally(t *testing.T) {
	var sums tally
	for _, line := range []string{
		"=== RUN   TestProofLock",
		proof.Line(proof.KillSweep, proof.Count{N: 40, Unit: "kill points"}, proof.Count{N: 2, Unit: "operations"}),
		proof.Line(proof.Model, proof.Count{N: 0, Unit: "states"}),
		"--- PASS: TestProofLock (0.10s)",
		proof.Line(proof.KillSweep, proof.Count{N: 5, Unit: "operations"}, proof.Count{N: 60, Unit: "kill points"}),
	} {
		sums.add(line)
	}
	want := []string{"kill sweep: 100 kill points, 7 operations", "model: 0 states"}
	if got := sums.lines(); !slices.Equal(got, want) {
		t.Errorf("the sums are %q, want %q", got, want)
	}
	if err := sums.complete([]proof.Kind{proof.KillSweep}); err != nil {
		t.Error(err)
	}
	err := sums.complete(proof.Kinds())
	if err == nil || !strings.Contains(err.Error(), "nothing was tried: model") || !strings.Contains(err.Error(), "nothing was tried: litmus") {
		t.Errorf("what tried nothing is not named: %v", err)
	}
}
