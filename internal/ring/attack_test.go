package ring_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/ring"
)

// A context ends a long Put also if the handle was idle for many laps, and all
// places are taken by deliveries.
func TestIdleHandleWaitsForPlace(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 16, MaxSize: 2000})
	idle, busy := b.port(1), b.port(2)
	for range 10 * 16 {
		mustPut(t, busy, "x")
		mustGet(t, busy, "x")
	}
	for range 16 {
		mustPut(t, busy, "x")
		if _, err := busy.TryReceive(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	wait := background(t, func() error { return idle.Put(ctx, []byte(long(1500, 1))) })
	wantError(t, wait(), context.DeadlineExceeded)
	b.check()
}

// A loan passes the wake-up on like a Put: places became free behind one that was
// still being read.
func TestReservePassesOn(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 3})
	slow, p := b.port(1), b.port(2)
	mustPut(t, p, "a", "b", "c")
	head, err := slow.TryTake()
	if err != nil {
		t.Fatal(err)
	}
	var waits []func() error
	for slot := uint32(3); slot <= 5; slot++ {
		q := b.patient(slot)
		waits = append(waits, mustBlock(t, func() error {
			_, err := q.Reserve(within(t), ring.Terms{Tag: 4})
			return err
		}))
	}
	mustGet(t, p, "b", "c")
	again := mustBlock(t, func() error { return p.Join(within(t)) }) // lets them look, and sleep again
	slow.Finish(head)
	for _, wait := range waits {
		if err := wait(); err != nil {
			t.Fatal(err)
		}
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
}

// An operation that Close finds inside takes no role that nobody would end.
func TestRoleAfterClose(t *testing.T) {
	b := newBed(t, ring.Spec{Mode: ring.SPSC})
	zombie, heir := b.port(1), b.port(2)
	b.uses[1].End()
	b.core.Leave(1)
	wantError(t, zombie.TryPut([]byte("x")), fs.ErrClosed)
	_, err := zombie.TryTake()
	wantError(t, err, fs.ErrClosed)
	_, err = zombie.TryReserve(ring.Terms{})
	wantError(t, err, fs.ErrClosed)
	mustPut(t, heir, "a")
	mustGet(t, heir, "a")
	b.checkEmpty()
}

// The second producer of a queue for one is refused whatever it puts, at once.
func TestSecondProducer(t *testing.T) {
	for _, full := range []bool{false, true} {
		b := newBed(t, ring.Spec{Mode: ring.SPSC, Cap: 2, MaxSize: 2000})
		first, second := b.port(1), b.port(2)
		mustPut(t, first, "a")
		if full {
			mustPut(t, first, "b")
		}
		for _, m := range []string{"x", long(1500, 1)} {
			wantError(t, second.TryPut([]byte(m)), fs.ErrPermission)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			wantError(t, second.Put(ctx, []byte(m)), fs.ErrPermission)
			cancel()
		}
	}
}

// Join does not wait for messages that are only being built.
func TestJoinWhileBuilding(t *testing.T) {
	for _, terms := range []ring.Terms{{}, {Lent: true}} {
		b := newBed(t, ring.Spec{})
		p := b.port(1)
		l := mustReserve(t, p, terms)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := p.Join(ctx); err != nil {
			t.Errorf("%+v: %v", terms, err)
		}
		cancel()
		p.Abandon(l)
		b.checkEmpty()
	}
}

// Nothing that cannot be taken yet makes Ready yield: a message of a loan whose
// turn comes only after one that is still being written.
func TestReadyWaitsForItsTurn(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 1})
	p, q, c := b.port(1), b.port(2), b.port(3)
	l := mustReserve(t, p, ring.Terms{})
	slow, err := q.ClaimAnyway()
	if err != nil {
		t.Fatal(err)
	}
	mustPublish(t, p, l, "later")
	if _, err := get(c); !errors.Is(err, ring.ErrEmpty) {
		t.Fatal(err)
	}
	ready := c.Ready()
	select {
	case <-ready:
		t.Fatal("yields")
	case <-time.After(20 * time.Millisecond):
	}
	q.Publish(slow, copy(q.Inline(slow), "now"))
	<-ready
	mustGet(t, c, "now", "later")
	b.uses[3].End()
	b.core.Leave(3)
	for range ready {
	}
	b.checkEmpty()
}
