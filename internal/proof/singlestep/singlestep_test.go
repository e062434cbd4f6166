//go:build linux && amd64 && !shmcheck && !race

// Package singlestep kills processes between two machine instructions. Of each
// hot operation every instruction is one after which a child dies: it is stepped
// there by ptrace, and killed. What it leaves behind must then be right, and of
// use to those that live.
package singlestep

import (
	"errors"
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/shoal-ipc/shoal/internal/proof"
)

var (
	points = flag.Int("points", 5, "kills for each hot operation, unless SHOAL_PROOF=full")
	others = flag.Int("others", 12, "kills for each other operation, if SHOAL_PROOF=full")
)

// TestProofSingleStep kills a child after each instruction of each hot operation,
// and after some of each other operation; or, in a bounded run, after some of the
// hot ones only.
func TestProofSingleStep(t *testing.T) {
	instructions, ops := 0, 0
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, op := range operations() {
		kills := *points
		switch {
		case !op.hot && !proof.Full():
			continue
		case op.hot && proof.Full():
			kills = most
		case proof.Full() && op.sleeps:
			kills = max(1, *others/3) // each steps through much of the scheduler
		case proof.Full():
			kills = *others
		}
		t.Run(op.name, func(t *testing.T) {
			s := &sweep{op: op}
			err := s.run(t.Context(), func(total int) []int { return choose(r, total, kills) })
			if errors.Is(err, errRefused) || errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range s.faults {
				t.Error(f)
			}
			t.Log(s.summary())
			if kills == most && len(s.ends) != len(s.trace) && !t.Failed() {
				t.Errorf("%d instructions were not reached", len(s.trace)-len(s.ends))
			}
			instructions += len(s.ends) + s.astray
			ops++
		})
	}
	if ops == 0 {
		t.Skip("nothing could be tried")
	}
	proof.Report(t, proof.SingleStep, proof.Count{N: instructions, Unit: "instructions"}, proof.Count{N: ops, Unit: "operations"})
}

// choose returns about so many numbers below total at equal distances, and the
// last one.
func choose(r *rand.Rand, total, count int) (list []int) {
	every := max(1, total/count)
	for n := r.IntN(every); n < total-1; n += every {
		list = append(list, n)
	}
	return append(list, total-1)
}
