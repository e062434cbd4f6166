//go:build shmcheck

package ring_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/ring"
)

// upTo returns limits.
func upTo(switches, kills int) explore.Limits {
	return explore.Limits{Switches: switches, Kills: kills}
}

// dramas returns scenes on queues of that Spec.
func dramas(t *testing.T, s ring.Spec) func(name string, quick, full explore.Limits, cast func(d *drama) []explore.Body) explore.Scene {
	return func(name string, quick, full explore.Limits, cast func(d *drama) []explore.Body) explore.Scene {
		return explore.Scene{Name: name, Quick: quick, Full: full, Play: func() explore.Play {
			d := newDrama(t, s)
			return d.play(cast(d)...)
		}}
	}
}

// TestProofSchedulesOfQueues tries the orders of the steps of those who put and
// take, wait and die.
func TestProofSchedulesOfQueues(t *testing.T) {
	one, two, three := dramas(t, ring.Spec{Cap: 1}), dramas(t, ring.Spec{Cap: 2}), dramas(t, ring.Spec{Cap: 3})
	four := dramas(t, ring.Spec{Cap: 4})
	pair := func(d *drama) []explore.Body { return []explore.Body{d.tries(1, "ab", 1), d.looks(2, 2)} }
	producers := func(d *drama) []explore.Body {
		return []explore.Body{d.tries(1, "a", 1), d.tries(2, "b", 1), d.looks(3, 2)}
	}
	consumers := func(d *drama) []explore.Body {
		d.has("ab")
		return []explore.Body{d.looks(1, 1), d.looks(2, 1), d.tries(3, "c", 1)}
	}
	waitingProducers := func(d *drama) []explore.Body {
		last := d.takes(3, 2)
		last.Slot = 0 // others wait for it
		d.has("x")
		return []explore.Body{d.puts(1, "a", 1), d.puts(2, "b", 1), last}
	}
	waitingConsumers := func(d *drama) []explore.Body {
		last := d.puts(3, "ab", 1)
		last.Slot = 0
		return []explore.Body{d.takes(1, 1), d.takes(2, 1), last}
	}
	explore.Prove(t, []explore.Scene{
		one("one place, put and take twice", upTo(3, 0), upTo(4, 0), pair),
		one("one place, put and take twice, one dies", upTo(1, 1), upTo(2, 1), pair),
		two("put and take twice, one dies", upTo(1, 1), upTo(1, 1), pair),
		one("one place, two put, one takes", upTo(2, 0), upTo(2, 0), producers),
		two("two put, one takes, one dies", upTo(0, 1), upTo(1, 1), producers),
		two("two take, one puts, one dies", upTo(0, 1), upTo(1, 1), consumers),
		three("two take, one puts, two die", upTo(1, 0), upTo(0, 2), consumers),
		one("two wait to put", upTo(1, 0), upTo(1, 0), waitingProducers),
		one("two wait to put, one dies", upTo(0, 1), upTo(0, 1), waitingProducers),
		two("two wait to take", upTo(1, 0), upTo(2, 0), waitingConsumers),
		two("two wait to take, two put", upTo(1, 0), upTo(1, 0), func(d *drama) []explore.Body {
			return []explore.Body{d.takes(1, 1), d.takes(2, 1), d.tries(3, "a", 1), d.tries(4, "b", 1)}
		}),
		two("two wait to take, one dies", upTo(0, 1), upTo(0, 1), waitingConsumers),
		three("runs, one side dies", upTo(1, 1), upTo(1, 1), func(d *drama) []explore.Body {
			return []explore.Body{d.runs(1, "abc"), d.takesRuns(2, 2)}
		}),
		four("two put runs, one takes runs, one dies", upTo(0, 1), upTo(1, 1), func(d *drama) []explore.Body {
			return []explore.Body{d.runs(1, "abc"), d.runs(2, "xyz"), d.takesRuns(3, 3)}
		}),
		three("two take runs, one dies", upTo(0, 1), upTo(1, 1), func(d *drama) []explore.Body {
			d.has("abc")
			return []explore.Body{d.takesRuns(1, 2), d.takesRuns(2, 2)}
		}),
	})
}

// TestProofSchedulesOfDeliveries does so for messages that are lent to consumers,
// and for loans.
func TestProofSchedulesOfDeliveries(t *testing.T) {
	one, two := dramas(t, ring.Spec{Cap: 1}), dramas(t, ring.Spec{Cap: 2})
	waiting := func(d *drama) []explore.Body {
		d.has("a")
		receiver, ended := d.receives(1, 0), false
		run := receiver.Run
		receiver.Run = func() error { err := run(); ended = true; return err }
		return []explore.Body{receiver, d.takes(2, 1), d.body("last", 0, func(p *ring.Port) error {
			explore.Until(func() bool { return ended || d.repaired })
			if d.core.Len() > 0 {
				return nil // whoever waits can have that
			}
			return d.sent(0, 'z', func() error { return p.TryPut(letter('z', 1)) })
		})}
	}
	explore.Prove(t, []explore.Scene{
		two("two receive, one dies", upTo(1, 1), upTo(2, 1), func(d *drama) []explore.Body {
			d.has("ab")
			return []explore.Body{d.receives(1, 0), d.receives(2, 0)}
		}),
		two("given back, two receive", upTo(1, 0), upTo(3, 0), func(d *drama) []explore.Body {
			d.has("ab")
			return []explore.Body{d.receives(1, 1), d.receives(2, 1)}
		}),
		two("given back, one dies, one puts", upTo(0, 1), upTo(1, 1), func(d *drama) []explore.Body {
			d.has("a")
			return []explore.Body{d.receives(1, 1), d.receives(2, 0), d.tries(3, "b", 1)}
		}),
		two("received and waited for, one dies", upTo(0, 1), upTo(1, 1), waiting),
		one("one place, loan and put", upTo(1, 1), upTo(2, 1), func(d *drama) []explore.Body {
			return []explore.Body{d.lends(1, "a"), d.tries(2, "b", 1)}
		}),
		two("two build, one puts and one takes", upTo(1, 0), upTo(1, 0), func(d *drama) []explore.Body {
			return []explore.Body{d.lends(1, "a"), d.lends(2, "b"), d.tries(3, "c", 1), d.looks(4, 1)}
		}),
		two("two build, one takes, one dies", upTo(0, 1), upTo(1, 1), func(d *drama) []explore.Body {
			return []explore.Body{d.lends(1, "a"), d.lends(2, "b"), d.looks(3, 2)}
		}),
		two("one builds, one takes, two die", upTo(0, 1), upTo(0, 2), func(d *drama) []explore.Body {
			return []explore.Body{d.lends(1, "ab"), d.looks(3, 2)}
		}),
		two("put into a hole, while it fills", upTo(1, 0), upTo(2, 0), hole),
		two("put into a hole, one dies", upTo(0, 1), upTo(0, 1), hole),
		dramas(t, ring.Spec{Cap: 3})("put into two holes, while one looks", upTo(2, 0), upTo(3, 0), holes),
		dramas(t, ring.Spec{Cap: 3})("two wait to put, and get holes", upTo(1, 0), upTo(1, 0), waitingForHoles),
	})
}

// slowConsumer has participant 5 in the middle of taking the first of three messages,
// with the second one delivered to it again and the third one consumed.
func slowConsumer(d *drama) (p *ring.Port, slow, again ring.Message) {
	d.has("abc")
	p = d.port(5)
	slow = must(p.TryTake())
	d.came(5, p, slow)
	_, held := d.holds(5, 1)
	d.finish(5, p, must(p.TryTake()))
	p.Nack(held[0])
	return p, slow, must(p.TryReceive())
}

// waitingForHoles has two producers wait for places of which one shows that both
// are free, behind a message that is not finished before they have put.
func waitingForHoles(d *drama) []explore.Body {
	p, slow, again := slowConsumer(d)
	done := func(m byte) bool { f := d.messages[m]; return f != nil && f.put }
	return []explore.Body{
		d.puts(1, "x", 1), d.puts(3, "y", 1),
		{Name: "slow consumer", Run: func() error {
			d.ends(5, p, again, func() error { return p.Ack(again) })
			explore.Until(func() bool { return done('x') && done('y') })
			d.ends(5, p, slow, func() error { p.Finish(slow); return nil })
			return nil
		}},
	}
}

// holes has a message put aside after another one, while a consumer looks for what
// was put aside: it must not see the second one alone.
func holes(d *drama) []explore.Body {
	p, slow, again := slowConsumer(d)
	d.ends(5, p, again, func() error { return p.Ack(again) })
	return []explore.Body{
		d.tries(3, "xy", 1), d.looks(4, 2), // participant 3 begins with the first slot of a loan
		{Name: "slow consumer", Slot: 5, Run: func() error {
			d.ends(5, p, slow, func() error { p.Finish(slow); return nil })
			return nil
		}},
	}
}

// hole has the second of two deliveries acknowledged while the first is in hands.
func hole(d *drama) []explore.Body {
	d.has("ab")
	p, held := d.holds(5, 2)
	return []explore.Body{
		d.tries(1, "c", 1), d.tries(2, "d", 1),
		{Name: "holder", Slot: 5, Run: func() error {
			d.ends(5, p, held[1], func() error { return p.Ack(held[1]) })
			d.ends(5, p, held[0], func() error { return p.Ack(held[0]) })
			return nil
		}},
		d.looks(3, 1),
	}
}

// TestProofSchedulesOfBlocks does so for messages that lie in blocks of the heap,
// which has room for two.
func TestProofSchedulesOfBlocks(t *testing.T) {
	small := dramas(t, ring.Spec{Cap: 2, SlotSize: 8, MaxSize: 300, Granule: 256, Heap: 1024})
	const size = 300
	explore.Prove(t, []explore.Scene{
		small("put and take, one dies", upTo(1, 1), upTo(2, 1), func(d *drama) []explore.Body {
			return []explore.Body{d.tries(1, "a", size), d.looks(2, 1)}
		}),
		small("two put, one takes", upTo(1, 0), upTo(2, 0), func(d *drama) []explore.Body {
			return []explore.Body{d.tries(1, "a", size), d.tries(2, "b", size), d.looks(3, 2)}
		}),
		small("two put, one takes, one dies", upTo(0, 1), upTo(1, 1), func(d *drama) []explore.Body {
			return []explore.Body{d.tries(1, "a", size), d.tries(2, "b", size), d.looks(3, 2)}
		}),
		small("put and receive, two die", upTo(0, 2), upTo(0, 2), func(d *drama) []explore.Body {
			return []explore.Body{d.tries(1, "a", size), d.receives(2, 0)}
		}),
		small("two wait for room in the heap", upTo(1, 0), upTo(1, 0), func(d *drama) []explore.Body {
			p := d.port(6)
			for _, m := range []byte("xy") {
				d.mind("putting", d.sent(6, m, func() error { return p.TryPut(letter(m, size)) }))
			}
			return []explore.Body{d.puts(1, "a", size), d.puts(2, "b", size), d.takes(3, 4)}
		}),
		dramas(t, ring.Spec{Cap: 2, SlotSize: 8, MaxSize: 300, Granule: 320, Heap: 300})(
			"the one block lent by two handles, left", upTo(1, 0), upTo(2, 0), twoHandles),
		small("lent blocks, left", upTo(1, 0), upTo(2, 0), func(d *drama) []explore.Body {
			leaver := d.body("builder", 1, func(p *ring.Port) error {
				l, err := p.TryReserve(ring.Terms{Size: size, Lent: true})
				if err != nil {
					return orNil(err, ring.ErrFull, fs.ErrClosed)
				}
				copy(p.BlockBytes(l, size), letter('a', size))
				return d.sent(1, 'a', func() error { return p.PublishBlock(l, size) })
			})
			use := d.uses[1]
			return []explore.Body{leaver, d.tries(2, "b", size), {Name: "close", Run: func() error {
				use.End()
				d.core.Leave(1)
				return nil
			}}}
		}),
	})
}

// twoHandles has a process lend the same block by two handles, of which the first
// loan ends by Close: it must not be published from what is the second one's.
func twoHandles(d *drama) []explore.Body {
	const size = 300
	use := object.NewUse(&object.Mapping{Region: d.mem}, 1, nil)
	obj := &object.Object{Kind: ring.Kind(), Shape: d.shape, Region: d.mem}
	first, second := must(ring.New(use, obj)), must(ring.New(use, obj))
	l := must(first.TryReserve(ring.Terms{Size: size, Lent: true}))
	copy(first.BlockBytes(l, size), letter('a', size))
	return []explore.Body{
		{Name: "publish", Run: func() error {
			return d.sent(1, 'a', func() error { return first.PublishBlock(l, size) })
		}},
		{Name: "reserve", Run: func() error {
			if l, err := second.TryReserve(ring.Terms{Size: size, Lent: true}); err == nil {
				second.Abandon(l)
			}
			return nil
		}},
		{Name: "close", Run: func() error {
			use.End()
			d.core.Leave(1)
			return nil
		}},
		{Name: "others", Run: func() error {
			return errors.Join(d.tries(2, "b", size).Run(), d.looks(3, 1).Run())
		}},
	}
}

// TestProofSchedulesOfEnds does so for queues that end, empty, or are left.
func TestProofSchedulesOfEnds(t *testing.T) {
	two := dramas(t, ring.Spec{Cap: 2})
	ending := func(d *drama, puts explore.Body) []explore.Body {
		drain := d.body("consumer", 3, func(p *ring.Port) error {
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
			}
		})
		return []explore.Body{
			puts, drain, d.body("end", 4, func(p *ring.Port) error { p.Shutdown(); return nil }),
		}
	}
	shutdown := func(d *drama) []explore.Body { return ending(d, d.tries(1, "a", 1)) }
	shutdownOfRun := func(d *drama) []explore.Body { return ending(d, d.runs(1, "ab")) }
	join := func(d *drama) []explore.Body {
		d.has("a")
		return []explore.Body{
			d.body("joiner", 1, func(p *ring.Port) error {
				if err := p.Join(context.Background()); err != nil {
					return err
				}
				if a := d.messages['a']; a.got == 0 && a.taking == 0 {
					d.wrong("joined too early")
				}
				return nil
			}),
			d.receives(2, 0),
		}
	}
	spsc := dramas(t, ring.Spec{Cap: 2, Mode: ring.SPSC})
	explore.Prove(t, []explore.Scene{
		spsc("one producer at a time, one dies", upTo(1, 1), upTo(2, 1), func(d *drama) []explore.Body {
			putting := func(slot uint32, m byte) explore.Body {
				return d.body("producer", slot, func(p *ring.Port) error {
					return orNil(d.sent(slot, m, func() error { return p.TryPut(letter(m, 1)) }), fs.ErrPermission)
				})
			}
			return []explore.Body{putting(1, 'a'), putting(2, 'b')}
		}),
		two("shut down while one puts and one drains", upTo(1, 0), upTo(2, 0), shutdown),
		two("shut down while one puts a run and one drains", upTo(1, 0), upTo(2, 0), shutdownOfRun),
		two("join while one receives", upTo(2, 0), upTo(3, 0), join),
		two("left with a delivery, another one receives", upTo(1, 0), upTo(3, 0), func(d *drama) []explore.Body {
			d.has("a")
			leaver := d.receives(1, 0)
			use := d.uses[1]
			return []explore.Body{leaver, d.receives(2, 0), {Name: "close", Run: func() error {
				use.End()
				d.core.Leave(1)
				return nil
			}}}
		}),
		two("left with a loan, another one puts", upTo(1, 0), upTo(2, 0), func(d *drama) []explore.Body {
			leaver := d.lends(1, "a")
			use := d.uses[1]
			return []explore.Body{leaver, d.tries(2, "b", 1), {Name: "close", Run: func() error {
				use.End()
				d.core.Leave(1)
				return nil
			}}}
		}),
	})
}
