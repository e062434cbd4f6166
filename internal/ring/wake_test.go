//go:build shmcheck

package ring_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/ring"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// TestSweepWake lets what somebody waits for happen at each step of his way into
// sleep: he must not sleep through it.
func TestSweepWake(t *testing.T) {
	big := long(900, 1)
	for _, c := range []struct {
		name   string
		before func(t *testing.T, p *ring.Port)
		waits  func(b *bed, w *ring.Port) error
		then   func(p *ring.Port) error
	}{
		{
			"put", func(*testing.T, *ring.Port) {},
			func(b *bed, w *ring.Port) error { _, err := w.Take(within(b.t)); return err },
			func(p *ring.Port) error { return p.TryPut([]byte("a")) },
		},
		{
			"shutdown", func(*testing.T, *ring.Port) {},
			func(b *bed, w *ring.Port) error {
				if _, err := w.Take(within(b.t)); err != ring.ErrShutdown {
					return fmt.Errorf("ended with %w", err)
				}
				return nil
			},
			func(p *ring.Port) error { p.Shutdown(); return nil },
		},
		{
			"get", func(t *testing.T, p *ring.Port) { mustPut(t, p, "a", "b") },
			func(b *bed, w *ring.Port) error { return w.Put(within(b.t), []byte("c")) },
			func(p *ring.Port) error { _, err := get(p); return err },
		},
		{
			"get for a loan", func(t *testing.T, p *ring.Port) { mustPut(t, p, "a", "b") },
			func(b *bed, w *ring.Port) error { _, err := w.Reserve(within(b.t), ring.Terms{}); return err },
			func(p *ring.Port) error { _, err := get(p); return err },
		},
		{
			"room", func(t *testing.T, p *ring.Port) { mustPut(t, p, big) },
			func(b *bed, w *ring.Port) error { return w.Put(within(b.t), []byte(big)) },
			func(p *ring.Port) error { _, err := get(p); return err },
		},
		{
			"empty", func(t *testing.T, p *ring.Port) { mustPut(t, p, "a") },
			func(b *bed, w *ring.Port) error { return w.Join(within(b.t)) },
			func(p *ring.Port) error { _, err := get(p); return err },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for n := int64(1); ; n++ {
				b := newBed(t, ring.Spec{Cap: 2, MaxSize: 1000, Heap: 1000})
				p, w := b.port(1), b.patient(2)
				c.before(t, p)
				asleep := during(t, n, func() error { return c.waits(b, w) }, func() error { return c.then(p) })
				// Who waits for room in the heap sleeps for so short a time that it may
				// never be found asleep: that many steps lie behind its first sleep.
				if asleep || t.Failed() || n == 200 {
					return
				}
			}
		})
	}
}

// during runs f, and other at f's n-th step, or when f is asleep before that,
// which it reports.
func during(t *testing.T, n int64, f, other func() error) (asleep bool) {
	t.Helper()
	var steps atomic.Int64
	fired := make(chan error, 1)
	satomic.SetHook(func() {
		if steps.Add(1) == n {
			satomic.SetHook(nil)
			fired <- other()
		}
	})
	wait := background(t, f)
	for last := int64(-1); ; {
		select {
		case err := <-fired:
			if err != nil {
				t.Errorf("step %d: %v", n, err)
			}
		case <-time.After(20 * time.Millisecond):
			if now := steps.Load(); now != last || now >= n {
				last = now
				continue
			}
			satomic.SetHook(nil)
			asleep = true
			if err := other(); err != nil {
				t.Errorf("asleep: %v", err)
			}
		}
		break
	}
	if err := wait(); err != nil {
		t.Errorf("step %d: %v", n, err)
	}
	return asleep
}
