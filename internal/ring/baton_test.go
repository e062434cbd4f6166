package ring_test

import (
	"testing"

	"github.com/shoal-ipc/shoal/internal/ring"
)

// Messages that were put behind a slot that is still being written woke their
// consumers in vain. When the slot is published, which wakes one, all must come.
func TestConsumersPassOn(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 4})
	slow, p := b.port(1), b.port(2)
	head, err := slow.TryClaim()
	if err != nil {
		t.Fatal(err)
	}
	var waits []func() error
	for slot := uint32(3); slot <= 5; slot++ {
		c := b.patient(slot)
		waits = append(waits, mustBlock(t, func() error {
			m, err := c.Take(within(t))
			if err == nil {
				c.Finish(m)
			}
			return err
		}))
	}
	mustPut(t, p, "b", "c")
	again := mustBlock(t, func() error { return p.Join(within(t)) }) // lets them look, and sleep again
	slow.Publish(head, copy(slow.Inline(head), "a"))
	for _, wait := range waits {
		if err := wait(); err != nil {
			t.Fatal(err)
		}
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	b.checkEmpty()
}

// Places that became free behind one that is still being read woke their
// producers in vain.
func TestProducersPassOn(t *testing.T) {
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
		waits = append(waits, mustBlock(t, func() error { return q.Put(within(t), []byte("x")) }))
	}
	mustGet(t, p, "b", "c")
	again := mustBlock(t, func() error { return p.Join(within(t)) }) // lets them look, and sleep again
	slow.Finish(head)
	for _, wait := range waits { // three places, for the three of them
		if err := wait(); err != nil {
			t.Fatal(err)
		}
	}
	mustGet(t, p, "x", "x", "x")
	if err := again(); err != nil {
		t.Fatal(err)
	}
	b.checkEmpty()
}

// A place that a loan gives up when it is published out of its turn is not lost
// on producers that wait.
func TestLatePublishPassesOn(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 1})
	p, q, c := b.port(1), b.port(2), b.patient(3)
	l := mustReserve(t, p, ring.Terms{})
	if err := q.PutAnyway([]byte("quick")); err != nil {
		t.Fatal(err)
	}
	wait := mustBlock(t, func() error { return c.Put(within(t), []byte("patient")) })
	again := mustBlock(t, func() error { return q.Join(within(t)) })
	mustGet(t, q, "quick")
	mustPublish(t, p, l, "loan") // the place is free now, and taken by this
	mustGet(t, q, "loan")
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	mustGet(t, q, "patient")
	if err := again(); err != nil {
		t.Fatal(err)
	}
}

// Places that became free behind one that is still being read woke their
// producers in vain. When another one becomes free that is known to be a hole, all
// of them are for those who wait.
func TestHolesPassOn(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 3})
	slow, p := b.port(1), b.port(2)
	mustPut(t, p, "a", "b", "c")
	head := mustTake(t, slow)
	again := mustReceive(t, slow)
	slow.Nack(again)
	again = mustReceive(t, slow)
	finish := twoWaitBehind(t, b)
	if err := slow.Ack(again); err != nil {
		t.Fatal(err)
	}
	finish() // aside, both of them
	slow.Finish(head)
	mustGet(t, p, "x", "x")
	b.checkEmpty()
}

// The same, but the first one of the places is where the tip is.
func TestTipPassesOnHoles(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 3})
	slow, p := b.port(1), b.port(2)
	mustPut(t, p, "a", "b", "c")
	slow.Nack(mustReceive(t, slow))
	head, second := mustTake(t, slow), mustTake(t, slow)
	finish := twoWaitBehind(t, b)
	slow.Finish(head)
	finish() // one at the tip, one aside
	slow.Finish(second)
	mustGet(t, p, "x", "x")
	b.checkEmpty()
}

// twoWaitBehind takes the last one of three messages and has two producers wait,
// who get their places until finish returns.
func twoWaitBehind(t *testing.T, b *bed) (finish func()) {
	p := b.port(3)
	mustGet(t, p, "c")
	var waits []func() error
	for slot := uint32(4); slot <= 5; slot++ {
		q := b.patient(slot)
		waits = append(waits, mustBlock(t, func() error { return q.Put(within(t), []byte("x")) }))
	}
	return func() {
		t.Helper()
		for _, wait := range waits {
			if err := wait(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func mustTake(t testing.TB, p *ring.Port) ring.Message {
	t.Helper()
	m, err := p.TryTake()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustReceive(t testing.TB, p *ring.Port) ring.Message {
	t.Helper()
	m, err := p.TryReceive()
	if err != nil {
		t.Fatal(err)
	}
	return m
}
