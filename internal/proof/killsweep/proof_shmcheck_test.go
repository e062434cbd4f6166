//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/shoal-ipc/shoal/internal/proof"
)

// tables returns what makes the parts of the table. What is added here must have its
// names in covers.
func tables() []func() []*stage {
	return []func() []*stage{
		directoryStages, one(segmentStage), one(valueStage), atomicStages, arrayStages, mutexStages, semaphoreStages,
		queueStages, pairStages, mapStages, one(eventStage), one(barrierStage), one(rwStage), one(condStage), one(tableStage),
		runStages, one(pipeStage), one(lonePipeStage), planted,
	}
}

func one(newStage func() *stage) func() []*stage {
	return func() []*stage { return []*stage{newStage()} }
}

// part returns one part of the table. Children make no more than they need: with all
// of it a tenth of their time went there.
func part(number int) []*stage {
	list := tables()[number]()
	for _, s := range list {
		s.part = number
	}
	return list
}

// stages returns the table, without what is planted.
func stages() []*stage {
	var list []*stage
	for i := range len(tables()) - 1 {
		list = append(list, part(i)...)
	}
	return list
}

// tally counts what was tried.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *tally) add(n int, unit string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[unit] += n
}

// What is counted.
const (
	points     = "kill points"
	operations = "operations"
	duets      = "kills beside an operation of another process"
	repairs    = "kills of repairers"
)

func (c *tally) report(t *testing.T, units ...string) {
	t.Helper()
	var list []proof.Count
	for _, unit := range units {
		list = append(list, proof.Count{N: c.counts[unit], Unit: unit})
	}
	proof.Report(t, proof.KillSweep, list...)
}

// each runs f for every stage, several at once.
func each(t *testing.T, f func(t *testing.T, h *hand)) {
	t.Helper()
	t.Run("of", func(t *testing.T) {
		for _, s := range stages() {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				f(t, raise(t, s))
			})
		}
	})
}

// raise returns a hand for a stage, which is struck at the end of the test.
func raise(t *testing.T, s *stage) *hand {
	t.Helper()
	h := &hand{stage: s, nursery: newNursery(), top: t.TempDir()}
	t.Cleanup(func() {
		if err := h.strike(); err != nil {
			t.Error(err)
		}
		h.nursery.close()
	})
	return h
}

// TestProofKillSweep kills a process at the steps of every operation: at each of
// them in a full run.
// Conformance: ROM-08.
func TestProofKillSweep(t *testing.T) {
	var sums tally
	each(t, func(t *testing.T, h *hand) {
		for _, op := range h.stage.operations {
			t.Run(op.name, func(t *testing.T) {
				count := few(op)
				if proof.Full() && op.variant {
					count = sample
				} else if proof.Full() {
					count = every
				}
				kills, err := h.sweep(t.Context(), op, count)
				if err != nil {
					t.Error(err)
				}
				t.Logf("killed at %d steps", kills)
				sums.add(kills, points)
				sums.add(1, operations)
			})
		}
	})
	sums.report(t, points, operations)
}

// How many steps are killed at.
const (
	every  = 0
	sample = 30  // of an operation whose machinery is that of another one, or that only looks
	many   = 150 // of a repair whose machinery is mostly that of another one
)

// few says how many steps of op a bounded run kills at.
func few(op *operation) int {
	if op.light {
		return 2
	}
	return 4
}

// sweep kills a process at every step of op, or at so many.
func (h *hand) sweep(ctx context.Context, op *operation, count int) (kills int, err error) {
	defer func() {
		if err != nil {
			_ = h.strike() // the next sweep begins anew
		}
	}()
	length, err := h.length(ctx, op)
	if err != nil {
		return 0, err
	}
	var beside *other
	if op.beside != "" {
		p, err := h.stage.operation(op.beside)
		if err != nil {
			return 0, err
		}
		beside = &other{op: p, two: op.two}
	}
	list := spread(length, count)
	for n := 1; count == every || n <= len(list); n++ {
		at := n
		if count != every {
			at = list[n-1]
		}
		_, ended, err := h.once(ctx, take{op: op, kill: at, other: beside})
		if err != nil {
			return kills, err
		}
		if ended && count == every {
			break
		}
		kills++
	}
	return kills, nil
}

// TestProofKillSweepDuos kills a process in the middle of every operation while
// another one is in the middle of its own.
func TestProofKillSweepDuos(t *testing.T) {
	var sums tally
	each(t, func(t *testing.T, h *hand) {
		list, err := h.stage.duos()
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range list {
			p := paces{victims: 4, peers: 3}
			if !proof.Full() {
				if i%5 != 0 {
					continue
				}
				p = paces{victims: 2, peers: 1}
			}
			kills, err := h.pair(t.Context(), d, p)
			if err != nil {
				t.Error(err)
				return
			}
			sums.add(kills, duets)
		}
	})
	sums.report(t, duets)
}

// TestProofKillSweepRepairers kills whoever repairs what the victim of every
// operation left, and then the survivor begins again. In a full run that is at
// every step of the repair for the first operation that leaves something to
// repair of a mutex, and at many for that of the other deep stages: most of a
// repair is that of the segment, which is the same each time.
func TestProofKillSweepRepairers(t *testing.T) {
	var sums tally
	each(t, func(t *testing.T, h *hand) {
		if h.stage.joint {
			return
		}
		swept := !proof.Full() || !h.stage.deep
		for i, op := range h.stage.operations {
			if op.relief != nil || op.beside != "" || !proof.Full() && i%6 != 0 {
				continue
			}
			length, err := h.length(t.Context(), op)
			if err != nil {
				t.Error(err)
				return
			}
			count, victims := 4, 3
			if !proof.Full() {
				count, victims = 2, 1
			}
			for _, n := range spread(length, victims) {
				count := count
				if !swept && op.dies != nil {
					swept, count = true, many
					if h.stage.name == "mutex" {
						count = every
					}
				}
				kills, err := h.killRepairers(t.Context(), op, n, count)
				if err != nil {
					t.Error(err)
					return
				}
				sums.add(kills, repairs)
			}
		}
	})
	sums.report(t, repairs)
}

// TestProofKillSweepTrios kills a process, and then the one that repairs what it
// left, while a third one, stopped in the middle of its operation, is alive.
func TestProofKillSweepTrios(t *testing.T) {
	var sums tally
	each(t, func(t *testing.T, h *hand) {
		list, err := h.stage.duos()
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range list {
			if !proof.Full() && i%12 != 0 {
				continue
			}
			kill, err1 := h.length(t.Context(), d.victim)
			pause, err2 := h.length(t.Context(), d.peer)
			if err := errors.Join(err1, err2); err != nil {
				t.Error(err)
				return
			}
			killed, err := h.trio(t.Context(), d, (kill+1)/2, max(1, pause*(i%4)/4), 60+37*(i%9))
			if err != nil {
				t.Error(err)
				return
			}
			if killed {
				sums.add(1, repairs)
			}
		}
	})
	sums.report(t, repairs)
}
