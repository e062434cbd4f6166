package scripts_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// size is how many participants a script has.
const size = 3

// troupe is a segment on the heap with a few participants, all of this process.
// One of them stands by and never dies.
type troupe struct {
	t     *testing.T
	base  *shm.Segment
	segs  [size]*shm.Segment
	steps int
}

func gather(t *testing.T) *troupe {
	t.Helper()
	made, err := object.Inside().Heap(shm.Spec{Size: 1 << 20, MaxSize: 1 << 20, Participants: 8 * size})
	if err != nil {
		t.Fatal(err)
	}
	base, ok := made.(*shm.Segment)
	if !ok {
		t.Fatalf("%T", made)
	}
	tr := &troupe{t: t, base: base}
	t.Cleanup(func() {
		for _, seg := range append(tr.segs[:], base) {
			_ = seg.Close()
		}
	})
	for p := range tr.segs {
		tr.segs[p] = tr.join()
	}
	return tr
}

// join returns a new participant.
func (tr *troupe) join() *shm.Segment {
	tr.t.Helper()
	peer, err := object.Inside().HeapPeer(tr.base)
	for begin := time.Now(); errors.Is(err, shm.ErrNoSpace) && time.Since(begin) < 30*time.Second; {
		runtime.GC() // which gives the slots of closed segments back
		runtime.Gosched()
		peer, err = object.Inside().HeapPeer(tr.base)
	}
	if err != nil {
		tr.t.Fatal(err)
	}
	seg, ok := peer.(*shm.Segment)
	if !ok {
		tr.t.Fatalf("%T", peer)
	}
	return seg
}

// die ends a participant, which is repaired, and puts another into its place.
func (tr *troupe) die(p int) {
	tr.t.Helper()
	object.Inside().HeapKill(tr.segs[p])
	tr.segs[p] = tr.join()
}

// close closes the segment of a participant, and opens it again.
func (tr *troupe) close(p int) {
	tr.t.Helper()
	if err := tr.segs[p].Close(); err != nil {
		tr.t.Fatal(err)
	}
	tr.segs[p] = tr.join()
}

// same compares the outcome of an operation with the model's.
func (tr *troupe) same(op string, p int, got, want error) {
	tr.t.Helper()
	if !errors.Is(got, want) || got != nil && want == nil {
		tr.t.Fatalf("step %d, participant %d, %s: %v, the model says %v", tr.steps, p, op, got, want)
	}
}

// equal compares values.
func equal[T comparable](tr *troupe, op string, p int, got, want T) {
	tr.t.Helper()
	if got != want {
		tr.t.Fatalf("step %d, participant %d, %s: %v, the model says %v", tr.steps, p, op, got, want)
	}
}

// play calls do for each pair of bytes: what to do, by whom, and an argument. It
// checks the segment after each.
func (tr *troupe) play(script []byte, do func(op, p, arg int)) {
	tr.t.Helper()
	const longest = 80
	for ; len(script) >= 2 && tr.steps < longest; script = script[2:] {
		do(int(script[0])/size, int(script[0])%size, int(script[1]))
		if err := tr.base.Check(); err != nil {
			tr.t.Fatalf("step %d: %v", tr.steps, err)
		}
		tr.steps++
	}
}

// everything is a script of all operations, by each participant.
func everything(ops int) []byte {
	var script []byte
	for i := range 3 * ops * size {
		script = append(script, byte(i%(ops*size)), byte(i*37))
	}
	return script
}

func must[H any](tr *troupe, h H, err error) H {
	tr.t.Helper()
	if err != nil {
		tr.t.Fatalf("step %d: %v", tr.steps, err)
	}
	return h
}

func bg() context.Context { return context.Background() }

var errNo = errors.New("no")
