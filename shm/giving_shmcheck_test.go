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

// TestGivingBackTwice: while one goroutine is stopped in the middle of letting
// go of a removed object, another does the same, and the process opens a new
// object that got the old one's place. The first must not touch that.
func TestGivingBackTwice(t *testing.T) {
	spec := shm.Spec{Size: 1 << 20, MaxSize: 8 << 20, Participants: 4}
	for n := 1; ; n++ {
		ended, err := giveBackTwice(t, spec, n)
		if err != nil {
			t.Errorf("stopped at step %d: %v", n, err)
		}
		if ended || t.Failed() {
			t.Logf("stopped at each of %d steps", n)
			return
		}
	}
}

func giveBackTwice(t *testing.T, spec shm.Spec, n int) (ended bool, err error) {
	ctx := context.Background()
	seg := backends["heap"](t, spec)
	defer seg.Close()
	s, err := object.Inside().HeapPeer(seg)
	peer, _ := must(t, s, err).(*shm.Segment)
	defer peer.Close()
	for _, name := range []string{"x", "y"} { // z gets the entry of x
		req := mutexRequest(name)
		if name == "x" {
			req = blockRequest(name, 5<<20)
		}
		if _, _, err := object.Inside().Create(ctx, seg, req); err != nil {
			return false, err
		}
	}
	runtime.GC() // nobody refers to them
	runtime.GC()
	var removed sync.WaitGroup
	removed.Add(1)
	first := stopAt(n, func() {
		defer removed.Done()
		if err := seg.Remove(ctx, "x"); err != nil {
			t.Error(err)
		}
	})
	ended = first.left == 0 && n > 1 && isDone(&removed)
	var m *robust.Mutex
	var obj *object.Object
	second := make(chan struct{})
	go func() {
		defer close(second)
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		if seg.Remove(short, "y") != nil { // the first one has the segment's lock
			return
		}
		if _, _, err := object.Inside().Create(short, peer, blockRequest("z", 5<<20)); err != nil {
			return // the first one has let go of nothing yet
		}
		use, o, err := object.Inside().Open(ctx, seg, mutexRequest("z"))
		if err != nil {
			t.Error(err)
			return
		}
		core, err := robust.Attach(o.Region, o.Shape)
		if err != nil {
			t.Error(err)
			return
		}
		m, obj = robust.New(core.Words, robust.Poison, use, o), o
		if err := m.Lock(ctx); err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-second:
	case <-time.After(30 * time.Millisecond): // it waits for the first one
	}
	close(first.resume)
	removed.Wait()
	<-second
	satomic.SetHook(nil)
	if m == nil {
		return ended, nil
	}
	if slot, _, _ := m.Holder(); slot != 1 {
		return ended, errors.New("the new object's mutex was given back")
	}
	if err := peer.Remove(ctx, "z"); err != nil {
		return ended, err
	}
	if _, _, err := object.Inside().Create(ctx, peer, blockRequest("v", 5<<20)); !errors.Is(err, shm.ErrNoSpace) {
		return ended, errors.New("the memory of an open object was used again")
	}
	runtime.KeepAlive(obj)
	return ended, m.Unlock()
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
