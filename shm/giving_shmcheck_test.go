//go:build shmcheck

package shm_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/shm"
)

// stopper stops one goroutine at its n-th step on shared words.
type stopper struct {
	id      []byte
	left    int
	stopped chan struct{} // closed when it is there, or has ended before
	resume  chan struct{}
	once    sync.Once
}

func goroutineID() []byte {
	buf := make([]byte, 64)
	return bytes.Fields(buf[:runtime.Stack(buf, false)])[1]
}

// stopAt runs f in a goroutine that stops at its n-th step.
func stopAt(n int, f func()) *stopper {
	s := &stopper{left: n, stopped: make(chan struct{}), resume: make(chan struct{})}
	ready := make(chan struct{})
	go func() {
		s.id = goroutineID()
		satomic.SetHook(s.step)
		close(ready)
		f()
		s.left = 0
		s.once.Do(func() { close(s.stopped) })
	}()
	<-ready
	<-s.stopped
	return s
}

func (s *stopper) step() {
	if !bytes.Equal(goroutineID(), s.id) {
		return
	}
	if s.left--; s.left == 0 {
		s.once.Do(func() { close(s.stopped) })
		<-s.resume
	}
}

// giving is a scene in which a goroutine that lets go of removed objects, because it
// removes one itself, is stopped in the middle, while the entry of the object x
// becomes that of a new one, which its process opens. It must not touch that.
type giving struct {
	seg, peer *shm.Segment
	removes   string // the object that the first goroutine removes
	// prepare makes x, which takes up most of the memory, and the object to remove.
	prepare func(ctx context.Context, g *giving) error
	// late lets go of x.
	late func(ctx context.Context, g *giving) error
	held *object.Object
}

var scenesOfGiving = map[string]giving{
	// Another goroutine lets go of x, which the first is just letting go of.
	"twice": {
		removes: "x",
		prepare: func(ctx context.Context, g *giving) error {
			_, _, err := object.Inside().Create(ctx, g.seg, blockRequest("x", 5<<20))
			_, _, err2 := object.Inside().Create(ctx, g.seg, mutexRequest("y"))
			runtime.GC() // nobody refers to them
			runtime.GC()
			return errors.Join(err, err2)
		},
		late: func(ctx context.Context, g *giving) error { return g.seg.Remove(ctx, "y") },
	},
	// Another process does, which alone had it open when the first passed by.
	"elsewhere": {
		removes: "y",
		prepare: func(ctx context.Context, g *giving) (err error) {
			if _, g.held, err = object.Inside().Create(ctx, g.peer, blockRequest("x", 5<<20)); err != nil {
				return err
			}
			_, _, err = object.Inside().Create(ctx, g.seg, mutexRequest("y"))
			return errors.Join(err, g.peer.Remove(ctx, "x"))
		},
		late: func(_ context.Context, g *giving) error {
			g.held = nil
			return nil
		},
	},
}

func TestGivingBack(t *testing.T) {
	spec := shm.Spec{Size: 1 << 20, MaxSize: 8 << 20, Participants: 4}
	for name, scene := range scenesOfGiving {
		t.Run(name, func(t *testing.T) {
			news := 0
			for n := 1; ; n++ {
				g := scene
				ended, met, err := g.play(t, spec, n)
				if err != nil {
					t.Errorf("stopped at step %d: %v", n, err)
				}
				if met {
					news++
				}
				if ended || t.Failed() {
					t.Logf("stopped at each of %d steps, met a new object at %d", n, news)
					break
				}
			}
			if news == 0 {
				t.Error("there never was a new object")
			}
		})
	}
}

// play stops the first goroutine at its n-th step. ended says that it has not so
// many, met that the entry became another object's.
func (g *giving) play(t *testing.T, spec shm.Spec, n int) (ended, met bool, err error) {
	ctx := context.Background()
	g.seg = backends["heap"](t, spec)
	defer g.seg.Close()
	s, err := object.Inside().HeapPeer(g.seg)
	g.peer, _ = must(t, s, err).(*shm.Segment)
	defer g.peer.Close()
	if err := g.prepare(ctx, g); err != nil {
		return false, false, err
	}
	var removed sync.WaitGroup
	removed.Add(1)
	first := stopAt(n, func() {
		defer removed.Done()
		if err := g.seg.Remove(ctx, g.removes); err != nil {
			t.Error(err)
		}
	})
	ended = first.left == 0 && n > 1 && isDone(&removed)
	var m *robust.Mutex
	var obj *object.Object
	second := make(chan struct{})
	go func() {
		defer close(second)
		m, obj, err = g.replace(ctx)
	}()
	select {
	case <-second:
	case <-time.After(50 * time.Millisecond): // it waits for the first one
	}
	close(first.resume)
	removed.Wait()
	<-second
	satomic.SetHook(nil)
	if m == nil || err != nil {
		return ended, false, err
	}
	if slot, _, _ := m.Holder(); slot != 1 {
		return ended, true, errors.New("the new object's mutex was given back")
	}
	if err := g.peer.Remove(ctx, "z"); err != nil {
		return ended, true, err
	}
	if _, _, err := object.Inside().Create(ctx, g.peer, blockRequest("v", 5<<20)); !errors.Is(err, shm.ErrNoSpace) {
		return ended, true, errors.New("the memory of an open object was used again")
	}
	runtime.KeepAlive(obj)
	return ended, true, m.Unlock()
}

// replace makes a new object where x was, unless the first goroutine is in the way,
// and opens and locks it in the first one's process.
func (g *giving) replace(ctx context.Context) (*robust.Mutex, *object.Object, error) {
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if g.late(short, g) != nil {
		return nil, nil, nil // the first one has the segment's lock
	}
	if _, _, err := object.Inside().Create(short, g.peer, blockRequest("z", 5<<20)); err != nil {
		return nil, nil, nil //nolint:nilerr // it has let go of nothing yet
	}
	use, o, err := object.Inside().Open(ctx, g.seg, mutexRequest("z"))
	if err != nil {
		return nil, nil, err
	}
	core, err := robust.Attach(o.Region, o.Shape)
	if err != nil {
		return nil, nil, err
	}
	m := robust.New(core.Words, robust.Poison, use, o)
	return m, o, m.Lock(ctx)
}

// isDone reports whether wg is at zero now, or very soon.
func isDone(wg *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(10 * time.Millisecond):
		return false
	}
}
