package wait_test

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// TestWatchFollowsTheContext sleeps again and again with contexts that end while
// it sleeps, before, and while another one is meant.
func TestWatchFollowsTheContext(t *testing.T) {
	w := new(satomic.Uint32)
	p, party := wait.NewPoint(w, 0), newParty()
	long, cancelLong := context.WithCancel(t.Context())
	for range 20 {
		for range 3 { // the same one: watched already
			if err := p.Sleep(long, party, 0, time.Microsecond); err != nil {
				t.Fatal(err)
			}
		}
		short, cancel := context.WithCancel(t.Context())
		done := sleeping(short, t, p, party, 0)
		cancel()
		if err := result(t, done); !errors.Is(err, context.Canceled) {
			t.Fatalf("Sleep: %v, want context.Canceled", err)
		}
		if err := p.Sleep(short, party, 0, time.Hour); !errors.Is(err, context.Canceled) {
			t.Fatalf("Sleep with a context that is done: %v", err)
		}
	}
	// The end of a context that was watched before must not end this one.
	other, cancelOther := context.WithCancel(t.Context())
	defer cancelOther()
	if err := p.Sleep(long, party, 0, time.Microsecond); err != nil {
		t.Fatal(err)
	}
	done := sleeping(other, t, p, party, 0)
	cancelLong()
	for range 100 {
		runtime.Gosched()
	}
	select {
	case err := <-done:
		t.Fatalf("ended by another one's context: %v", err)
	default:
	}
	w.Store(1)
	p.Wake(1)
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
}

// TestContextDoesNotKeepThePoint lets a point go while the context that it slept
// with lives on.
func TestContextDoesNotKeepThePoint(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	gone := func() weak.Pointer[wait.Point] {
		p := wait.NewPoint(new(satomic.Uint32), 0)
		if err := p.Sleep(ctx, newParty(), 0, time.Microsecond); err != nil {
			t.Fatal(err)
		}
		return weak.Make(p)
	}()
	until(t, func() bool { runtime.GC(); return gone.Value() == nil })
}

// TestCloseAtAnyMoment closes the party while goroutines fall asleep and wake.
func TestCloseAtAnyMoment(t *testing.T) {
	for i := range 300 {
		w := new(satomic.Uint32)
		party := newParty()
		var done []<-chan error
		for range 3 {
			c := make(chan error, 1)
			done = append(done, c)
			p := wait.NewPoint(w, 0)
			go func() {
				for {
					if err := p.Sleep(context.Background(), party, 0, wait.Slice); err != nil {
						c <- err
						return
					}
				}
			}()
		}
		for range i % 60 {
			runtime.Gosched()
		}
		party.Close()
		for _, c := range done {
			if err := result(t, c); !errors.Is(err, fs.ErrClosed) {
				t.Fatalf("Sleep: %v, want fs.ErrClosed", err)
			}
		}
	}
}
