//go:build shmcheck

package ring_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/bare"
	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/ring"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// TestLateOwner stops the owner of the putting side after it has seen that it is
// the owner and before it says that it is inside. Another goroutine becomes the
// owner, and claims a slot. What the first one does then, much too late, must not
// make the second one seem to be outside: it would get the same slot.
func TestLateOwner(t *testing.T) {
	if bare.Goroutine() == 0 {
		t.Skip("goroutines have no numbers here")
	}
	b := newBed(t, ring.Spec{Cap: 128, Mode: ring.SPSC})
	p := b.port(1)
	stopped, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	defer satomic.SetHook(nil)
	go func() {
		if err := p.TryPut([]byte("first")); err != nil { // and from now on the owner
			done <- err
			return
		}
		me, came := bare.Goroutine(), false
		satomic.SetHookBefore(func() {
			if bare.Goroutine() != me || came {
				return
			}
			came = true
			close(stopped)
			<-release
		})
		done <- p.TryPut([]byte("late"))
	}()
	<-stopped
	const others = 70 // as many as it takes to be the owner, and more
	for range others {
		mustPut(t, p, "other")
	}
	c, err := p.TryClaim()
	must(t, err)
	close(release)
	select {
	case err := <-done: // as it should not before Publish: now the slot has two messages
		done <- err
	case <-time.After(100 * time.Millisecond):
	}
	copy(p.Inline(c), "mine")
	p.Publish(c, 4)
	must(t, <-done)
	consumer, got := b.port(2), map[string]int{}
	for {
		m, err := get(consumer)
		if errors.Is(err, ring.ErrEmpty) {
			break
		}
		must(t, err)
		got[m]++
	}
	if got["first"] != 1 || got["other"] != others || got["mine"] != 1 || got["late"] != 1 {
		t.Errorf("got %v", got)
	}
	b.checkEmpty()
}

// TestProofSchedulesOfPairsAtTheEnd shuts a queue down, and drains it, while a put
// is refused for want of room: the consumer has seen that somebody was about to
// put, and must hear that nothing came of it.
func TestProofSchedulesOfPairsAtTheEnd(t *testing.T) {
	drain := func(d *drama) explore.Body {
		return d.body("consumer", 3, func(p *ring.Port) error {
			for {
				m, err := p.Take(context.Background())
				if errors.Is(err, ring.ErrShutdown) {
					d.over = true
					return nil
				}
				if err != nil {
					return err
				}
				d.finish(3, p, m)
				p.Shutdown()
			}
		})
	}
	scene := pairs(t, ring.Spec{Cap: 1})
	explore.Prove(t, []explore.Scene{
		scene("refused while it ends", upTo(1, 0), upTo(2, 0), func(d *drama) []explore.Body {
			return []explore.Body{d.tries(1, "ab", 1), drain(d)}
		}),
		scene("a run refused while it ends", upTo(1, 0), upTo(2, 0), func(d *drama) []explore.Body {
			return []explore.Body{d.runs(1, "ab"), drain(d)}
		}),
	})
}
